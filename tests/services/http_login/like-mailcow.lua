-- The interface of mailcow's own script, for tests: what it sends, and what it makes of answers.
-- @URL@ is where it asks.

function auth_password_verify(request, password)
  if not request.domain then
    return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "a name without a domain"
  end
  local cjson, chunks, web = require "cjson", {}, require "ssl.https"
  local body = cjson.encode({
    username = request.user, password = password, real_rip = request.real_rip, service = request.service
  })
  web.TIMEOUT = 30
  local _, code = web.request({
    url = "@URL@", method = "POST", insecure = true,
    headers = { ["content-type"] = "application/json", ["content-length"] = tostring(#body) },
    source = require("ltn12").source.string(body), sink = require("ltn12").sink.table(chunks)
  })
  local refused = dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH
  -- Whatever is neither yes nor no counts as a wrong password there.
  if code ~= 200 and code ~= 401 then
    return refused, "status " .. tostring(code)
  end
  local ok, said = pcall(cjson.decode, table.concat(chunks))
  if not ok then
    return refused, "no JSON"
  end
  return said.success == true and dovecot.auth.PASSDB_RESULT_OK or refused, ""
end

function auth_passdb_lookup(request)
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, ""
end
