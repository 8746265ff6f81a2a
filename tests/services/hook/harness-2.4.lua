-- Calls keydove.lua as Dovecot 2.4 does, with its globals and field names, but without a Dovecot.
-- Arguments: the script, keydove's socket.
dovecot = {
  auth = {
    PASSDB_RESULT_OK = "ok", PASSDB_RESULT_NEXT = "next", PASSDB_RESULT_USER_UNKNOWN = "unknown",
    PASSDB_RESULT_PASSWORD_MISMATCH = "mismatch", PASSDB_RESULT_USER_DISABLED = "disabled",
    PASSDB_RESULT_PASS_EXPIRED = "expired", PASSDB_RESULT_INTERNAL_FAILURE = "internal",
    USERDB_RESULT_OK = "ok", USERDB_RESULT_USER_UNKNOWN = "unknown", USERDB_RESULT_INTERNAL_FAILURE = "internal",
  },
  i_error = function(text) io.stderr:write(text, "\n") end,
}
dofile(arg[1])

local function request(user, protocol)
  return { user = user, protocol = protocol, remote_ip = "192.0.2.24", session = "Xk24", secured = "tls" }
end

local function show(what, result, answer)
  local words = { what, result }
  if type(answer) == "table" then
    local names = {}
    for name in pairs(answer) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do words[#words + 1] = name .. "=" .. answer[name] end
  end
  print(table.concat(words, " "))
end

assert(script_init({ socket = arg[2], unknown = "next", timeout = "8" }) == 0)
for _, try in ipairs({ { "alice@example.org", "pw" }, { "alice@example.org", "wrong" },
                       { "disabled@example.org", "pw" }, { "ghost@example.org", "pw" } }) do
  show(try[1] .. "/" .. try[2], auth_password_verify(request(try[1], "imap"), try[2]))
end
show("scram", auth_passdb_lookup(request("alice@example.org", "imap")))
show("pass", auth_passdb_lookup(request("alice@example.org", "lmtp")))
show("user", auth_userdb_lookup(request("alice@example.org", "lmtp")))
show("no user", auth_userdb_lookup(request("ghost@example.org", "lmtp")))
for _, user in ipairs(auth_userdb_iterate()) do print("listed " .. user) end
script_deinit()
