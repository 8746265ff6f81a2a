-- Asks keydove about logins: for mailcow's Dovecot, in place of data/conf/dovecot/auth/passwd-verify.lua.
--
-- What differs from the script that mailcow ships: when nobody can tell, Dovecot is told so. Then it says "try again" to
-- the mail client, keeps what it remembers, and writes no line that counts for a ban.

local ADDRESS = "https://keydove:9082"
-- What token_file of [http_login] holds, between quotes, where there is one.
local TOKEN = nil
-- Seconds. keydove answers within 9, with or without a verdict.
local PATIENCE = 15

local json = require "cjson"
local ltn12 = require "ltn12"
local https = require "ssl.https"

local function ask(question)
  local text, parts = json.encode(question), {}
  https.TIMEOUT = PATIENCE
  local _, status = https.request {
    url = ADDRESS,
    method = "POST",
    headers = {
      ["content-type"] = "application/json",
      ["content-length"] = #text,
      ["authorization"] = TOKEN and "Bearer " .. TOKEN,
    },
    source = ltn12.source.string(text),
    sink = ltn12.sink.table(parts),
  }
  local is_json, answer = pcall(json.decode, table.concat(parts))
  -- Whatever is no object, `null` for instance, is no answer.
  if is_json and type(answer) == "table" then
    return status, answer.success
  end
  return status, nil
end

function auth_password_verify(request, password)
  local auth = dovecot.auth
  if request.domain == nil then
    return auth.PASSDB_RESULT_USER_UNKNOWN, "no domain in the name"
  end
  local is_told, status, success = pcall(ask, {
    username = request.user,
    password = password,
    real_rip = request.real_rip,
    service = request.service,
  })
  if is_told and status == 200 and success == true then
    return auth.PASSDB_RESULT_OK, ""
  elseif is_told and status == 401 and success == false then
    return auth.PASSDB_RESULT_PASSWORD_MISMATCH, "refused"
  end
  -- The status only: an error of Lua might quote what was asked.
  dovecot.i_warning("keydove cannot tell about " .. request.user .. ": " .. (is_told and tostring(status) or "an error"))
  return auth.PASSDB_RESULT_INTERNAL_FAILURE, "cannot tell"
end

function auth_passdb_lookup(request)
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, ""
end
