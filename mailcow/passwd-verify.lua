-- Asks keydove about logins: for mailcow's Dovecot, in place of data/conf/dovecot/auth/passwd-verify.lua.
--
-- What differs from the script that mailcow ships: a temporary failure of keydove is one for Dovecot, too. Then it says
-- "try again" to the mail client, keeps what it remembers, and writes no line that counts for a ban. And a question is one
-- packet on a connection that stays open; in two packets the second would wait 40 ms for the first to be confirmed.

local ADDRESS = "https://keydove:9082"
-- What token_file of [http_login] holds, between quotes, where there is one.
local TOKEN = nil
-- Seconds. keydove answers within 9, with or without a verdict.
local PATIENCE = 15

local json = require "cjson"
local socket = require "socket"
local ssl = require "ssl"

local HOST, PORT = ADDRESS:match("^https://([^/:]+):(%d+)")
-- Nobody is between two programs of one machine; whose certificate it is does not matter.
local TLS = { mode = "client", protocol = "any", verify = "none", options = "all" }

-- Stays open from one login to the next.
local open = nil

local function connect()
  local plain = assert(socket.tcp())
  plain:settimeout(PATIENCE)
  assert(plain:connect(HOST, PORT))
  plain:setoption("tcp-nodelay", true)
  local secure = assert(ssl.wrap(plain, TLS))
  secure:settimeout(PATIENCE)
  assert(secure:dohandshake())
  return secure
end

local function close()
  if open then
    pcall(open.close, open)
  end
  open = nil
end

-- Status and body; nil where the connection ended before an answer began.
local function read_answer()
  local line, why = open:receive("*l")
  if not line then
    -- Who is slow is not asked again.
    assert(why ~= "timeout" and why ~= "wantread", why)
    return nil
  end
  local status = tonumber(line:match("^HTTP/1%.%d (%d%d%d)"))
  local length, is_last = nil, false
  while true do
    local header = assert(open:receive("*l"))
    if header == "" then
      break
    end
    local name, value = header:lower():match("^([^:]+):%s*(.-)%s*$")
    if name == "content-length" then
      length = tonumber(value)
    elseif name == "connection" then
      is_last = value == "close"
    end
  end
  local body = assert(open:receive(length or "*a"))
  if is_last or not length then
    close()
  end
  return status, body
end

local function ask(question)
  local text = json.encode(question)
  local head = {
    "POST / HTTP/1.1",
    "Host: " .. HOST,
    "Content-Type: application/json",
    "Content-Length: " .. #text,
  }
  if TOKEN then
    head[#head + 1] = "Authorization: Bearer " .. TOKEN
  end
  local request = table.concat(head, "\r\n") .. "\r\n\r\n" .. text
  local was_open = open ~= nil
  open = open or connect()
  local status, body
  if open:send(request) then
    status, body = read_answer()
  end
  if not status and was_open then
    -- keydove closes a connection that was quiet for long, and all of them when it starts again.
    close()
    open = connect()
    assert(open:send(request))
    status, body = read_answer()
  end
  local is_json, answer = pcall(json.decode, body)
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
  if not is_told then
    close()
  end
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
