# The pages of an installation by hand, each command in the order of its page, on a booted machine. Sourced by `run`.
# shellcheck shell=bash

TOML=/etc/keydove/keydove.toml
SITE=/etc/dovecot/conf.d/10-auth.conf
# As before.sh has them.
OWN_TABLES="virtual_mailbox_domains=example.org virtual_mailbox_maps=static:all virtual_transport=lmtp:unix:private/dovecot-lmtp"

# packages.md.
installed() {
    local units='keydove.service keydove-login.socket keydove-master.socket keydove-postfix.socket keydove-hook.socket'
    types docs/packages.md Install
    says "nothing is started before there is a configuration" 'systemctl is-active keydove.service' inactive
    says "nothing is enabled" "systemctl is-enabled $units | sort -u" disabled
    does "all is there that the page names" "ls -d $(sed -n 's/^| `\(\/[^`]*\)`.*/\1/p' docs/packages.md | tr '\n' ' ')"
    does "the manual pages are there" 'man -w keydove keydove-explain keydove-checkpassword'
    does "the user is there" 'getent passwd keydove'
    says "a start without a configuration is no failure" 'systemctl start keydove.service keydove-login.socket; systemctl --failed --no-legend --plain | wc -l' 0
    says "the service may do little" 'systemd-analyze security --no-pager keydove.service | tail -n 1 |
        awk "{ for (i = 1; i < NF; i++) if (\$i == \"keydove.service:\") print (\$(i + 1) <= 1.5) ? \"fine\" : \$0 }"' fine
}

# install.md, steps 1 to 5.
configured() {
    local page=docs/install.md
    does "a package without a configuration goes without a trace" 'apt-get purge -y keydove'
    types $page '1. The package' 2
    ANSWERS='\ts3cret\\n\\x04\n' types $page '2. Keycloak' 1
    in_it "cp /etc/ssl/certs/ssl-cert-snakeoil.pem $DESK/corporate-ca.pem"
    types $page '2. Keycloak' 2
    edits 's|^server_url = .*|server_url = "http://127.0.0.1:24080"|; s|^client_id = .*|client_id = "mailcow"|'
    types $page '4. /etc/keydove/keydove.toml'
    # The socket of Lua and checkpassword stays at its place when the machine boots, too.
    puts $TOML docs/lua.md 'Set up' 1
    # `keydove setup` has made a database.
    in_it 'rm -rf /var/lib/keydove'
    types $page '5. The domain and the mailboxes'
}

# install.md, step 6: before the switch, and the switch.
started() {
    local page=docs/install.md step='6. Switch Dovecot and Postfix over'
    types $page "$step" 1
    # A Keycloak that has just been started takes its time.
    in_time "$page: keydove is asked" "doveadm auth test -a /run/keydove/auth-client $PERSON $PASSWORD"
    types $page "$step" 2
    does "the socket of the Lua script and of checkpassword is opened, too" 'set -e
        systemctl stop keydove.service; systemctl enable --now keydove-hook.socket; systemctl start keydove.service'
    sockets "at first"
}
switched() {
    types docs/postfix.md Logins 1
    types docs/postfix.md Logins 3 4
    types docs/install.md '6. Switch Dovecot and Postfix over' 3
}
# SocketUser= and the like must hold, whatever systemd makes of the folder.
sockets() {
    says "$1: each socket belongs to those who ask there" \
        'stat -c "%a %U %G %n" /run/dovecot/login/ext/auth /run/keydove/{auth-client,auth-master,auth-userdb,hook} /var/spool/postfix/private/keydove' \
"660 root dovenull /run/dovecot/login/ext/auth
600 root root /run/keydove/auth-client
600 root root /run/keydove/auth-master
600 root root /run/keydove/auth-userdb
600 dovecot dovecot /run/keydove/hook
660 postfix postfix /var/spool/postfix/private/keydove"
}

checked() {
    mark
    logins "switched over"
    asked "switched over"
    types docs/install.md '7. Check'
    types docs/postfix.md Logins 5
    shown "swaks logs in" "*235 2.7.0*"
    says "Dovecot's own users are not asked" "doveadm user $PERSON" '/var/vmail/example.org/alice'
    says "no unit has failed" 'systemctl --failed --no-legend --plain | wc -l' 0
    does "checkpassword works" "printf '$PERSON\0$PASSWORD\0\0' >/tmp/pair && chmod 0644 /tmp/pair &&
        runuser -u dovecot -- sh -c 'keydove-checkpassword --service imap /bin/true 3</tmp/pair'"
    quota
    types docs/takeover.md Check
    does "Dovecot restarts" 'systemctl restart dovecot'
    logins "after a restart of Dovecot"
}
quota() {
    local number=1 field='quota_rule = "*:bytes=%{quota}"'
    [ "$SUITE" = bookworm ] || number=2 field='quota_storage_size = "%{quota}B"'
    puts /etc/dovecot/conf.d/98-quota.conf docs/takeover.md Quota $number
    does "a quota for Dovecot" "set -e
        printf '%s\n' '$field' >$DESK/field
        sed -i '/^\[userdb.fields\]/r $DESK/field' $TOML
        systemctl reload keydove
        systemctl reload dovecot"
    in_time "takeover.md, Quota: Dovecot knows the limit" "doveadm quota get -u $PERSON | grep -w 5242880"
    block docs/takeover.md 'Debian 13' >/dev/null # what the shipped configuration has already
}

# postfix.md: a submission service where there is none, the tables, the policy. Tables of the own come back at the end.
tables() {
    local page=docs/postfix.md
    types docs/uninstall.md '2. Switch Postfix back' 2
    types $page Logins 2 4
    in_time "$page: the shipped submission service" "python3 $DESK/login.py smtp $PERSON $PASSWORD | grep -qx OK"
    in_it "cp $TOML $DESK/without-tables.toml"
    puts $TOML $page 'Tables and policy: the sockets' 1
    edits "/^### Anything between here/r $DESK/unit"
    puts $DESK/unit $page 'Tables and policy: the sockets' 2
    on_terminal "$page: the unit is edited" 'systemctl edit keydove-postfix.socket'
    types docs/upgrade.md Restart 2
    types $page 'The tables' 1
    puts /etc/dovecot/conf.d/97-lmtp.conf $page 'The tables' 2
    types $page 'The tables' 3
    does "an alias" "keydove alias add info@example.org --to $PERSON"
    types $page 'The tables' 4
    shown "$page: the tables answer" "*$PERSON*$PERSON*example.org*$PERSON*"
    types $page 'The policy' 1
    # swaks ends with a code of its own for a refusal.
    EDITS='s/(quit-after RCPT)$/\1 || true/' types $page 'The policy' 2
    shown "$page: the policy refuses" "*$(sed -n 's/^It must end in `\(.*\)`.*/\1/p' $page)*"
    logins "with tables and policy"
}
no_tables() {
    local page=docs/postfix.md
    if [ "$SUITE" = bookworm ]; then
        types $page 'Go back' 1
    else
        EDITS="s|^postfix reload|postconf -e $OWN_TABLES; postfix reload|" types $page 'Go back' 2
    fi
    does "the unit's own sockets again" 'systemctl revert keydove-postfix.socket'
    does "no listeners for them" "cp $DESK/without-tables.toml $TOML"
    types docs/upgrade.md Restart 2
    logins "without tables and policy"
}

# upgrade.md.
restarts() { does "keydove restarts twice" 'systemctl restart keydove; sleep 1; systemctl restart keydove'; }
reloads() { types docs/upgrade.md Restart 1; }
upgrades() {
    types docs/upgrade.md Upgrade 1
    says "the later version is there" 'dpkg-query -W keydove' +later
    says "it runs" 'systemctl is-active keydove.service' active
    # That of a program which was replaced under it ends with `(deleted)`.
    in_time "it is the later program that runs" 'test "$(readlink /proc/$(systemctl show -P MainPID keydove)/exe)" = /usr/bin/keydove'
    does "the configuration is untouched" "cmp $DESK/keydove.toml $TOML"
}
reloads_nonsense() {
    does "a reload with a mistake in the file says so" "echo 'nonsense = 1' >>$TOML; ! systemctl reload keydove"
    says "the running keydove goes on" 'systemctl is-active keydove.service' active
}
mistaken() {
    local units='keydove-login.socket keydove-master.socket keydove-postfix.socket keydove-hook.socket'
    # The file is still wrong here.
    does "a restart with the mistake fails" '! systemctl restart keydove'
    says "the journal has the line that is wrong, as an error" 'journalctl -p warning -u keydove -o cat --no-pager' nonsense
    in_it "for _ in \$(seq 40); do (timeout 8 python3 $DESK/login.py imap $PERSON $PASSWORD &); done >/dev/null 2>&1"
    in_time "systemd tries again and again" 'test $(journalctl -u keydove -o cat --no-pager | grep -c "Failed to start") -ge 4'
    says "the sockets stay open" "systemctl is-active $units | sort -u" active
    does "the file is mended" "cp $DESK/keydove.toml $TOML"
    logins "once the file is mended"
    says "logins are no warnings in the journal" 'journalctl -p warning -u keydove -o cat --no-pager | grep -c verdict=accept; true' 0
    says "logins are there as information" 'journalctl -p info -u keydove -o cat --no-pager | grep -c verdict=accept | grep -vx 0 && echo there' there
}

# uninstall.md: Dovecot and Postfix first, and keydove is stopped when nobody asks it any more.
back_in_old_hands() {
    local page=docs/uninstall.md
    types $page '1. Switch Dovecot back'
    types $page '2. Switch Postfix back' 1
    in_time "$page: nobody asks keydove any more" "test \"\$($(block $page '3. Stop keydove' 1))\" = 0"
    types $page '3. Stop keydove' 2
}

# The ways of Dovecot's own auth server: lua.md, and checkpassword.md where Dovecot has the driver.
other_ways() {
    local page=docs/lua.md
    does "no listeners of the takeover" "sed -i '/^\[\[listener\]\]/,/^\$/d' $TOML"
    puts $TOML $page 'Set up' 1
    types $page 'Set up' 2
    include "$(block $page 'Set up' 3)"
    puts /etc/dovecot/keydove-settings.lua $page 'Set up' 5
    types $page 'Set up' 4
    mark
    logins "Lua by hand"
    asked "Lua by hand"
    types $page Check
    [ "$SUITE" != bookworm ] || beside
    include '!include auth-site.conf.ext'
    types $page 'Go back'
    logins "back from Lua by hand"
    [ "$SUITE" != bookworm ] || checkpassword
}
include() {
    does "the include is put in" "set -e
        sed -i 's#^!include .*\(auth-site.conf.ext\|/keydove-lua.conf\|/checkpassword-2.3.conf\)\$#$1#' $SITE
        grep -qxF '$1' $SITE"
}
# Users of another passdb, behind keydove.
beside() {
    does "another user" "echo 'old@example.org:{PLAIN}old-pw' >>/etc/dovecot/users
        sed -i 's/\"refuse\"/\"next\"/' /etc/dovecot/keydove-settings.lua"
    puts /etc/dovecot/keydove-first.conf docs/lua.md 'Beside other passdbs' 1
    does "keydove before the old passdb" "set -e
        printf '\n!include auth-site.conf.ext\n' >>/etc/dovecot/keydove-first.conf
        sed -i 's|^!include auth-site.conf.ext|!include /etc/dovecot/conf.d/auth-site.conf.ext|' /etc/dovecot/keydove-first.conf
        sed -i 's|^!include /etc/dovecot/keydove-lua.conf|!include /etc/dovecot/keydove-first.conf|' $SITE
        systemctl restart dovecot"
    in_time "lua.md: a user of the other passdb" "python3 $DESK/login.py imap old@example.org old-pw | grep -qx OK"
    in_time "lua.md: a user of keydove" "python3 $DESK/login.py imap $PERSON $PASSWORD | grep -qx OK"
    says "lua.md: a wrong password opens nothing" "python3 $DESK/login.py imap $PERSON old-pw" AUTHENTICATIONFAILED
    does "Lua alone again" "sed -i 's|^!include /etc/dovecot/keydove-first.conf|!include /etc/dovecot/keydove-lua.conf|' $SITE"
}
checkpassword() {
    local page=docs/checkpassword.md
    types $page 'Set up' 1
    include "$(block $page 'Set up' 2)"
    types $page 'Set up' 3
    mark
    logins "checkpassword by hand"
    asked "checkpassword by hand"
    EDITS="s/PASSWORD/$PASSWORD/" types $page Check
    shown "$page: the program runs as the owner of the mail" "*uid=5000(vmail)*"
    include '!include auth-site.conf.ext'
    types $page 'Go back'
    logins "back from checkpassword by hand"
}

# uninstall.md, step 4.
removed() {
    local page=docs/uninstall.md
    in_it "cp /etc/keydove/client-secret $DESK/"
    does "the package does not go while Dovecot asks keydove" 'set -e
        echo "# ext/auth, which is a comment" >/etc/dovecot/conf.d/98-note.conf
        echo "auth_socket_path = /run/keydove/auth-userdb" >/etc/dovecot/conf.d/99-other.conf
        ! DEBIAN_FRONTEND=noninteractive apt-get remove -y keydove
        rm /etc/dovecot/conf.d/99-other.conf'
    types $page '4. Remove the package' 1
    logins "after the removal"
    does "no unit is left over" '! systemctl list-unit-files --no-legend "keydove*" | grep . && ! find /etc/systemd -name "*keydove*" | grep .'
    does "the database and the configuration stay" 'test -s /var/lib/keydove/keydove.sqlite && test -s /etc/keydove/keydove.toml'
    types $page '4. Remove the package' 2
    does "a purge without an answer deletes nothing" 'test -s /var/lib/keydove/keydove.sqlite && test -s /etc/keydove/keydove.toml'
    does "a purge with the answer yes deletes it" 'set -e
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -y keydove
        echo "keydove keydove/purge_data boolean true" | debconf-set-selections
        apt-get purge -y keydove
        ! test -e /var/lib/keydove && ! test -e /etc/keydove'
}
