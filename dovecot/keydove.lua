-- keydove as a passdb and userdb of Dovecot, 2.3 and 2.4. Needs Debian's dovecot-auth-lua and lua-socket.
--
-- lua-2.3.conf and lua-2.4.conf beside it show the settings; docs/lua.md says what to copy and what to check.
-- Leave this file as it is. What differs goes into keydove-settings.lua in the same folder:
--
--   return { socket = "/run/keydove/hook", unknown = "next" }
--
-- or, with 2.4, into lua_settings. It asks keydove's listener with door = "hook", whose protocol stands in
-- src/frontend/hook/mod.rs. Dovecot collects garbage after each lookup: nothing is kept but one connection.

local unix = require "socket.unix"

local settings = {
  -- keydove's listener.
  socket = "/run/keydove/hook",
  -- Seconds for one answer: more than keydove's deadline, less than the 10 s after which Postfix hangs up.
  timeout = 8,
  -- What becomes of somebody whom keydove does not know: "refuse", or "next", which leaves them to the next passdb.
  unknown = "refuse",
}

local connection
local last_id = 0

-- A mistake keeps Dovecot from logging anybody in, and says so in its log: better than to go on with something else.
local function take_settings(given, from)
  if type(given) ~= "table" then error(from .. " gives no table of settings") end
  for name, value in pairs(given) do
    if settings[name] == nil then error(from .. ": there is no setting " .. tostring(name)) end
    if name == "timeout" then value = tonumber(value) or error(from .. ": timeout takes seconds") end
    if name == "unknown" and value ~= "refuse" and value ~= "next" then
      error(from .. ': unknown is "refuse" or "next"')
    end
    settings[name] = value
  end
end

do
  local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
  local path = folder and folder .. "keydove-settings.lua"
  local file = path and io.open(path)
  if file then
    file:close()
    take_settings(assert(loadfile(path))(), path)
  end
end

-- Dovecot calls it once for each worker; 2.4 passes lua_settings.
function script_init(given)
  if type(given) == "table" then take_settings(given, "lua_settings") end
  return 0
end

function script_deinit()
  if connection then connection:close() end
  connection = nil
end

local CODES = { ["\0"] = "\0010", ["\1"] = "\0011", ["\t"] = "\1t", ["\r"] = "\1r", ["\n"] = "\1n" }
local BYTES = { ["0"] = "\0", ["1"] = "\1", t = "\t", r = "\r", n = "\n" }

local function escape(value)
  return (value:gsub("[%z\1\t\r\n]", CODES))
end

local function unescape(field)
  return (field:gsub("\1(.?)", function(code) return BYTES[code] or code end))
end

local function hang_up()
  connection:close()
  connection = nil
end

local function connect()
  local socket = unix.stream()
  -- "t": for the whole of a call, so that a trickle of bytes cannot hold it up.
  socket:settimeout(settings.timeout, "t")
  local ok, trouble = socket:connect(settings.socket)
  if not ok then
    socket:close()
    return trouble or "no connection"
  end
  connection = socket
end

-- One line with our id, split into its fields.
local function receive(id)
  local line, trouble = connection:receive("*l")
  if not line then return nil, trouble end
  local fields = {}
  for field in (line .. "\t"):gmatch("([^\t]*)\t") do fields[#fields + 1] = field end
  if fields[2] ~= id then return nil, "an answer to something else" end
  return fields
end

-- Sends a request and returns the first line of its answer. A connection that keydove has closed, because it was
-- started anew, is replaced once; after a time-out there is no second try, because Postfix does not wait for two.
local function ask(word, arguments)
  while true do
    local trouble
    local is_old = connection ~= nil
    if not is_old then
      trouble = connect()
      if trouble then return nil, trouble end
    end
    last_id = last_id % 4294967295 + 1
    local id = string.format("%d", last_id)
    local sent, fields
    sent, trouble = connection:send(word .. "\t" .. id .. arguments .. "\n")
    if sent then
      fields, trouble = receive(id)
      if fields then return fields, nil, id end
    end
    hang_up()
    if not is_old or trouble ~= "closed" then return nil, trouble end
  end
end

local function parameters(request)
  -- 2.3 says service and rip, 2.4 protocol and remote_ip.
  local known = {
    service = request.protocol or request.service,
    rip = request.remote_ip or request.rip,
    session = request.session,
  }
  local text = ""
  for name, value in pairs(known) do
    if value ~= "" then text = text .. "\t" .. name .. "=" .. escape(value) end
  end
  local secured = request.secured
  if secured and secured ~= "" and secured ~= "no" then text = text .. "\tsecured" end
  return text
end

-- The fields of an answer, from the third on, with a prefix before all names but the user's. What keydove means for the
-- passdb (`passdb_host`: the mailbox lives on another machine) has none there, and is left out for the userdb.
local function read(fields, prefix)
  local found = {}
  for index = 3, #fields do
    local name, value = fields[index]:match("^([^=]*)=(.*)$")
    local of_passdb = name and name:match("^passdb_(.+)$")
    if name == "user" then
      found.user = unescape(value)
    elseif of_passdb and prefix ~= "" then
      found[unescape(of_passdb)] = unescape(value)
    elseif name and not of_passdb then
      found[prefix .. unescape(name)] = unescape(value)
    end
  end
  return found
end

local function complain(trouble)
  dovecot.i_error("keydove: cannot ask " .. settings.socket .. ": " .. tostring(trouble))
end

local function unknown()
  if settings.unknown == "next" then return dovecot.auth.PASSDB_RESULT_NEXT, "keydove does not know this user" end
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "unknown user"
end

-- Is this password right? With the userdb fields, for `driver = prefetch`.
function auth_password_verify(request, password)
  local fields, trouble =
    ask("AUTH", "\t" .. escape(request.user) .. "\t" .. escape(password) .. parameters(request))
  if not fields then
    complain(trouble)
    return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "keydove cannot be asked"
  end
  if fields[1] == "OK" then return dovecot.auth.PASSDB_RESULT_OK, read(fields, "userdb_") end
  if fields[1] ~= "FAIL" then
    return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "keydove cannot tell"
  end
  local code = read(fields, "").code
  if code == "unknown" then return unknown() end
  if code == "disabled" then return dovecot.auth.PASSDB_RESULT_USER_DISABLED, "disabled" end
  if code == "expired" then return dovecot.auth.PASSDB_RESULT_PASS_EXPIRED, "expired" end
  return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "password mismatch"
end

local function find(request, word)
  local fields, trouble = ask(word, "\t" .. escape(request.user) .. parameters(request))
  if not fields then complain(trouble) end
  return fields and fields[1], fields
end

-- Mechanisms that need a stored password ask here, and get none. LMTP and doveadm only ask whether somebody exists.
function auth_passdb_lookup(request)
  local service = request.protocol or request.service
  if service ~= "lmtp" and service ~= "doveadm" then
    return dovecot.auth.PASSDB_RESULT_NEXT, "keydove gives no stored passwords away"
  end
  local word, fields = find(request, "PASS")
  if word == "USER" then
    local found = read(fields, "userdb_")
    found.nopassword = "y"
    return dovecot.auth.PASSDB_RESULT_OK, found
  end
  if word == "NOTFOUND" then return unknown() end
  return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "keydove cannot tell"
end

-- Where does their mail live?
function auth_userdb_lookup(request)
  local word, fields = find(request, "USER")
  if word == "USER" then return dovecot.auth.USERDB_RESULT_OK, read(fields, "") end
  if word == "NOTFOUND" then return dovecot.auth.USERDB_RESULT_USER_UNKNOWN, "unknown user" end
  return dovecot.auth.USERDB_RESULT_INTERNAL_FAILURE, "keydove cannot tell"
end

-- Who is there? For `doveadm user '*'` and `doveadm -A`. Half a list would be taken for the whole one, so trouble is
-- an error, which Dovecot reports.
function auth_userdb_iterate()
  local users = {}
  local fields, trouble, id = ask("LIST", "")
  while fields and fields[1] == "LIST" do
    users[#users + 1] = unescape(fields[3])
    fields, trouble = receive(id)
  end
  if fields and fields[1] == "DONE" then return users end
  if connection and not fields then hang_up() end
  error("keydove: the list of users cannot be had: " .. tostring(trouble or "keydove cannot tell"))
end
