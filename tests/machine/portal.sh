# docs/portal.md on a booted machine, as an administrator follows it: the client in Keycloak, the package, a proxy with TLS; a
# user signs in, makes an app password and reads mail with it; then restarts, an upgrade, a reboot, and back. Sourced by `run`.
# shellcheck shell=bash

PORTAL_PAGE=docs/portal.md
PORTAL_TOML=/etc/keydove-portal/keydove-portal.toml

# portal_by_setup NAME: with keydove set up by `keydove setup`, the portal too, by the one command of its page; a user signs in,
# makes an app password and reads mail with it; and back.
portal_by_setup() {
    local name="$1, the portal" before output password state=.stage/machine/$SUITE/first-visitor
    local run='keydove-portal.service keydove-for-portal.socket' ANSWERS
    before=$(etc)
    ANSWERS="the portal's own address, such as https://account.example.org:\thttps://account.example.org
the mail server's name, as mail programs reach it:\tmail.example.org
an administrator of Keycloak:\tadmin
password of Keycloak's administrator:\tadmin
make these changes? [y/N]:\ty
" types "$PORTAL_PAGE" 'With one command' 1
    shown "$name: keydove-portal check is content" "*keydove at /run/keydove/portal: good*Keycloak, *: good*"
    # What was printed for nginx, with anybody's certificate.
    in_it 'cat /etc/ssl/certs/ssl-cert-snakeoil.pem >/etc/ssl/account.pem; install -m 0600 /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/account.key'
    sed -n '/^server {/,/^}/p' <<<"${typed//$'\r'/}" | "$HERE/machine" shell 'cat >/etc/nginx/conf.d/account.conf'
    does "$name: nginx takes what setup printed" 'nginx -t && systemctl restart nginx'
    output=$(keydove_setup --portal --administrator "$PERSON") || true
    case $output in *"$PERSON may see the administrators' pages"*) ok "$name: an administrator" ;; *) bad "$name: an administrator" "$output" ;; esac
    output=$(keydove_setup --portal) || true
    case $output in *"nothing had to be changed"*) ok "$name: another run" ;; *) bad "$name: another run changes nothing" "$output" ;; esac
    says "$name: it runs" "systemctl is-active $run | sort -u; systemctl is-enabled $run | sort -u" "active
enabled"
    says "$name: no unit has failed" 'systemctl --failed --no-legend --plain | wc -l' 0
    case "${*:2}" in *--mariadb*) on_mariadb "$name" ;; esac
    if password=$("$HERE/machine" net python3 "$HERE/visit.py" new "$state" "$PERSON" "$PASSWORD" 2>&1); then
        ok "$name: a user signs in"
        says "$name: mail is read with the app password" "python3 $DESK/login.py imap $PERSON '$password'" OK
    else
        bad "$name: a user signs in and makes an app password" "$password; $(in_it 'journalctl -u keydove-portal -u keydove -o cat --no-pager | tail -n 20')"
    fi
    if output=$("$HERE/machine" net python3 "$HERE/visit.py" administrator "$state" "$PERSON" 2>&1); then ok "$name: the administrators' pages"; else
        bad "$name: an administrator sees every page" "$output; $(in_it 'journalctl -u keydove-portal -u keydove -o cat --no-pager | tail -n 20')"
    fi
    in_it "keydove app-password revoke --all $PERSON; systemctl stop nginx; rm -f /etc/nginx/conf.d/account.conf /etc/ssl/account.pem /etc/ssl/account.key"
    does "$name: the undo ends well" 'KEYDOVE_ADMIN_PASSWORD=admin keydove setup --portal --undo --yes --admin-user admin'
    says "$name: it is off" "systemctl is-active $run | sort -u; systemctl is-enabled $run | sort -u" "inactive
disabled"
    same_etc "$name, undone" "$before"
    case "${*:2}" in *--mariadb*) on_mariadb "$name, undone" ;; esac
    logins "$name, undone"
}

portal_client() {
    local home=$PWD/.stage/machine/$SUITE/kcadm programs ANSWERS EDITS=''
    programs=$(find "$PWD/.stage" -maxdepth 1 -name 'keycloak-26.7*' | head -n 1)/bin
    rm -rf "$home"
    mkdir -p "$home"
    # Java takes no notice of HOME, and two administrators of two Keycloaks would share their tokens.
    BESIDE=(env HOME="$home" PATH="$programs:$PATH" KC_OPTS="-XX:TieredStopAtLevel=1 -Duser.home=$home" bash -c)
    ANSWERS='Enter password:\tadmin\n'
    on_beside "$PORTAL_PAGE: an administrator of Keycloak" \
        "kcadm.sh config credentials --server http://127.0.0.1:24080 --realm master --user admin
        # On a busy machine a minute passes between two commands.
        kcadm.sh update realms/master -s accessTokenLifespan=3600
        kcadm.sh config credentials --server http://127.0.0.1:24080 --realm master --user admin"
    types_beside "$PORTAL_PAGE" 'By hand: 1. The client in Keycloak'
    # It stands in the last line.
    portal_secret=$(tail -n 1 <<<"${typed%$'\n'}" | tr -d '\r')
    EDITS='s/--uusername alice/&@example.org/' types_beside "$PORTAL_PAGE" Administrators 1
    rm -rf "$home"
    unset BESIDE
}

portal_set_up() {
    local ANSWERS EDITS
    portal_client
    puts "$TOML" "$PORTAL_PAGE" 'Mail to users' 1
    EDITS='/^(mode|owner) =/d' puts "$TOML" "$PORTAL_PAGE" 'By hand: 2. keydove' 1
    types "$PORTAL_PAGE" 'By hand: 3. The portal' 1
    says "nothing of the portal is started before it is set up" \
        'systemctl is-active keydove-portal.service keydove-for-portal.socket keydove-portal.socket | sort -u' inactive
    ANSWERS='\t'"$portal_secret"'\\n\\x04\n' types "$PORTAL_PAGE" 'By hand: 3. The portal' 2
    edits 's|https://sso.example.org/realms/mail|http://127.0.0.1:24080/realms/mail|'
    types "$PORTAL_PAGE" 'By hand: 3. The portal' 3
    types "$PORTAL_PAGE" 'By hand: 3. The portal' 4
    types "$PORTAL_PAGE" 'By hand: 3. The portal' 5
    shown "$PORTAL_PAGE: keydove-portal check is content" "*keydove at /run/keydove/portal: good*Keycloak, *: good*_imaps._tcp.example.org*"
    says "the portal runs" 'systemctl is-active keydove-portal.service keydove-for-portal.socket | sort -u' active
    # Anybody's certificate; nobody verifies it here but by its own.
    in_it 'cd /etc/keydove-portal && install -m 0644 /etc/ssl/certs/ssl-cert-snakeoil.pem profile.pem && install -m 0600 /etc/ssl/private/ssl-cert-snakeoil.key profile-key'
    puts "$PORTAL_TOML" "$PORTAL_PAGE" 'Signed profiles' 1
    edits "/^### Anything between here/r $DESK/portal-unit"
    puts "$DESK/portal-unit" "$PORTAL_PAGE" 'Signed profiles' 2
    on_terminal "$PORTAL_PAGE: the unit is edited" 'systemctl edit keydove-portal'
    types "$PORTAL_PAGE" 'Signed profiles' 3
    shown "$PORTAL_PAGE: the certificate is good" "*the certificate for Apple's profiles: good*"
    in_it 'cat /etc/ssl/certs/ssl-cert-snakeoil.pem >/etc/ssl/account.pem; install -m 0600 /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/account.key'
    puts /etc/nginx/conf.d/account.conf "$PORTAL_PAGE" 'The proxy' 1
    does "$PORTAL_PAGE: nginx takes its part" 'nginx -t && systemctl enable nginx && systemctl restart nginx'
}

portal_holds() {
    local state=.stage/machine/$SUITE/visitor password
    says "the portal may do little" 'systemd-analyze security --no-pager keydove-portal.service | tail -n 1 |
        awk "{ for (i = 1; i < NF; i++) if (\$i == \"keydove-portal.service:\") print (\$(i + 1) <= 1.2) ? \"fine\" : \$0 }"' fine
    says "the portal's socket is the portal's" 'stat -c "%a %U" /run/keydove/portal' "600 keydove-portal"
    does "nobody else opens the socket" '! runuser -u nobody -- python3 -c "import socket; socket.socket(socket.AF_UNIX).connect(\"/run/keydove/portal\")"'
    # Whatever its mode, keydove asks the kernel who is there.
    says "whoever opens it is turned away" 'chmod 0666 /run/keydove/portal
        runuser -u nobody -- python3 -c "
import socket
peer = socket.socket(socket.AF_UNIX)
peer.connect(\"/run/keydove/portal\")
print(peer.makefile().readline())"
        chmod 0600 /run/keydove/portal' "only the owner of this socket"
    says "its configuration is read by nobody else" 'stat -c "%a %U" /etc/keydove-portal/client-secret' "600 root"
    if password=$("$HERE/machine" net python3 "$HERE/visit.py" new "$state" "$PERSON" "$PASSWORD" 2>&1); then
        ok "a user signs in and makes an app password"
        says "mail is read with the app password" "python3 $DESK/login.py imap $PERSON '$password'" OK
    else
        bad "a user signs in and makes an app password" "$password"
    fi
    # By SMTP: a sendmail would need a setgid bit that no service with NoNewPrivileges has.
    in_time "the user is told of the app password by mail" 'grep -rl "^Subject: A new app password for your mailbox" /var/vmail/example.org/alice/Maildir/new'
    if "$HERE/machine" net python3 "$HERE/visit.py" profile "$state" "$state.profile" &&
        "$HERE/machine" net openssl cms -verify -binary -inform DER -in "$state.profile" -noverify -certfile "$("$HERE/machine" root)/etc/ssl/certs/ssl-cert-snakeoil.pem" 2>/dev/null |
        grep -q com.apple.mail.managed; then
        ok "a profile is signed in the portal's sandbox"
    else
        bad "a profile is signed in the portal's sandbox" "$(in_it 'journalctl -u keydove-portal -o cat --no-pager | tail')"
    fi
    visited "at first"
}
# visited WHEN: who was signed in still is.
visited() {
    local output end=$((SECONDS + PATIENCE))
    until output=$("$HERE/machine" net python3 "$HERE/visit.py" again ".stage/machine/$SUITE/visitor" 2>&1); do
        [ $SECONDS -lt $end ] || { bad "the portal, $1: who was signed in still is" "$output"; return; }
        sleep 0.2
    done
    ok "the portal, $1"
}
portal_restarts() {
    does "the portal restarts" 'systemctl restart keydove-portal'
    visited "after a restart"
    does "keydove restarts beneath it" 'systemctl restart keydove'
    visited "after a restart of keydove"
}
portal_upgraded() {
    says "the later portal is there" 'dpkg-query -W keydove-portal' +later
    in_time "it is the later portal that runs" 'test "$(readlink /proc/$(systemctl show -P MainPID keydove-portal)/exe)" = /usr/bin/keydove-portal'
    visited "after an upgrade"
}

portal_goes() {
    local service
    # Removed as it runs, with keydove's listener still there: mail goes on, also after a restart of keydove.
    does "the portal's package goes" 'DEBIAN_FRONTEND=noninteractive apt-get remove -y keydove-portal'
    does "keydove restarts without the portal" 'systemctl restart keydove && systemctl is-active keydove'
    in_time "the portal is gone: imap" "python3 $DESK/login.py imap $PERSON $PASSWORD | grep -qx OK"
    says "no unit has failed" 'systemctl --failed --no-legend --plain | wc -l' 0
    does "the portal's package comes back" 'DEBIAN_FRONTEND=noninteractive apt-get install -y keydove-portal
        systemctl enable keydove-for-portal.socket keydove-portal
        systemctl restart keydove.service keydove-for-portal.socket && systemctl restart keydove-portal'
    visited "after its package came back"
    types "$PORTAL_PAGE" 'Go back' 1
    does "$PORTAL_PAGE: no listener for it" "sed -i '/^door = \"portal\"/,/^path/d' $TOML; sed -i -z 's/\\[\\[listener\\]\\]\\n*\$//' $TOML; systemctl reload keydove"
    types "$PORTAL_PAGE" 'Go back' 2
    does "nothing of the portal is left over" 'set -e
        ! systemctl list-unit-files --no-legend "keydove-portal*" "keydove-for-portal*" | grep .
        ! find /etc /run /usr /var/lib/systemd -name "*keydove-portal*" ! -name "keydove-portal.service.d" -o -name "keydove-for-portal*" | grep -v "^/etc/passwd\|^/var/lib/dpkg\|/keydove-portal-session" | grep .'
    in_it 'rm -rf /etc/nginx/conf.d/account.conf /etc/systemd/system/keydove-portal.service.d; systemctl daemon-reload; systemctl disable --now nginx'
    says "app passwords stay valid" "keydove app-password list $PERSON" "the machine's phone"
}
