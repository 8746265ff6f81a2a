# `keydove setup` with answers that are wrong, on machines that cannot be written to, and cut off: it says what it tried, on
# what, and what to do, and the mail server is as before. Sourced by `run`.
# shellcheck shell=bash

# An answers file that is right, and passwords that are.
RIGHT="cd $DESK; export KEYDOVE_ADMIN_PASSWORD=admin KEYDOVE_TEST_PASSWORD=$PASSWORD; keydove setup --yes --answers answers.toml"

# fails WHAT CODE TEXT COMMAND: the command ends with the code and says the text; nothing below /etc has changed.
fails() {
    local before output
    before=$(etc)
    output=$(in_it "$4"$'\n''echo "code $?"')
    case $output in *"$3"*"code $2") ok "mistakes: $1" ;; *) bad "mistakes: $1 (expected: $3, and code $2)" "$output" ;; esac
    same_etc "mistakes: $1" "$before"
}

mistakes() {
    fails "a wrong address" 70 "Keycloak at http://127.0.0.1:9: cannot connect" "$RIGHT --server-url http://127.0.0.1:9"
    fails "an address without https" 65 'is not an address such as `https://' "$RIGHT --server-url sso.example.org"
    fails "a wrong realm" 65 'Keycloak has no realm `My Mail`' "$RIGHT --realm 'My Mail'"
    fails "a wrong administrator" 70 "at http://127.0.0.1:24080 was refused: the name or the password is wrong" "$RIGHT --admin-user nobody"
    fails "a wrong domain" 65 '--domain "exa_mple"' "$RIGHT --domain exa_mple"
    fails "a typo in the answers" 65 'unknown field `reallm`' "sed 's/^realm/reallm/' $DESK/answers.toml >/tmp/typo.toml; ${RIGHT/answers.toml//tmp/typo.toml}"
    fails "no answers file" 65 "/nowhere.toml: cannot be read" "${RIGHT/answers.toml//nowhere.toml}"
    fails "no Dovecot there" 65 "there is no Dovecot here" "$RIGHT --dovecot takeover --dovecot-config /nowhere/dovecot.conf"
    fails "not root" 64 "it must run as root" "chmod 0755 $DESK; runuser -u nobody -- sh -c '$RIGHT'"
    fails "/etc is read-only" 70 "setup-journal.json: Read-only file system" \
        "unshare --mount sh -c 'mount --bind /etc /etc; mount -o remount,bind,ro /etc; $RIGHT'"
    fails "the disk is full" 70 "cannot write /etc/dovecot/conf.d/99-keydove.conf: No space left" \
        "unshare --mount sh -c 'cp -a /etc/dovecot/conf.d /tmp/full; mount -t tmpfs -o size=256k none /etc/dovecot/conf.d
            cp -a /tmp/full/. /etc/dovecot/conf.d; cat /dev/zero >/etc/dovecot/conf.d/rest 2>/dev/null; $RIGHT'"
    fails "a wrong password of the test user" 70 "the test user $PERSON cannot log in at keydove; the answer is: refused" \
        "${RIGHT/PASSWORD=$PASSWORD/PASSWORD=wrong} 2>&1"
    fails "Ctrl-C" 70 "setup was interrupted" "($RIGHT) >$DESK/cut 2>&1 & setup=\$!
        until grep -q 'Postfix is reloaded' $DESK/cut || ! kill -0 \$setup; do sleep 0.05; done
        kill -s INT \$(pgrep -x keydove -P \$setup || echo \$setup)
        wait \$setup; code=\$?
        cat $DESK/cut
        (exit \$code)"
    fails "MariaDB is not there" "${1:-70}" "${2:-mysqld.sock}" "$RIGHT --mariadb /run/mysqld/mysqld.sock"
    logins "after mistakes"
}
