# Pages of what is beside the usual mail server, by hand: Keycloak's commands, and Exim. Sourced by `run`.
# shellcheck shell=bash

# keycloak.md, "As commands", as on the computer of Keycloak: in a realm of which nobody has thought before.
keycloak_by_hand() {
    local page=docs/keycloak.md home=$PWD/.stage/machine/$SUITE/kcadm programs
    programs=$(find "$PWD/.stage" -maxdepth 1 -name 'keycloak-26.7*' | head -n 1)/bin
    rm -rf "$home"
    mkdir -p "$home"
    # What it starts with: a realm, and a user in it.
    # Java takes no notice of HOME, and two administrators of two Keycloaks would share their tokens.
    BESIDE=(env HOME="$home" PATH="$programs:$PWD/target/debug:$PATH" KC_OPTS="-XX:TieredStopAtLevel=1 -Duser.home=$home" bash -c)
    EDITS='s#https://sso.example.org#http://127.0.0.1:24080#; s/-r mail /-r typed /'
    ANSWERS='Enter password:\tadmin\npassword:\tpw\nthe same again:\tpw\n'
    on_beside "$page: a realm" "cd '$home'
        kcadm.sh config credentials --server http://127.0.0.1:24080 --realm master --user admin
        # On a busy machine a minute passes between two commands.
        kcadm.sh update realms/master -s accessTokenLifespan=3600
        kcadm.sh config credentials --server http://127.0.0.1:24080 --realm master --user admin
        kcadm.sh create realms -s realm=typed -s enabled=true
        kcadm.sh create users -r typed -s username=alice -s enabled=true -s email=$PERSON -s emailVerified=true \\
            -s firstName=Alice -s lastName=Example"
    types_beside "$page" 'As commands'
    # The secret stands in the last line.
    "$HERE/machine" shell "tr -d '\r' >$DESK/typed-secret" < <(tail -n 1 <<<"${typed%$'\n'}")
    types_beside "$page" "A user's mail password"
    does "$page: keydove in that realm" "set -e
        install -m 0640 -o root -g keydove $DESK/typed-secret /etc/keydove/typed-secret
        sed -e 's/^realm = .*/realm = \"typed\"/' -e 's/^client_id = .*/client_id = \"keydove\"/' \\
            -e 's|^client_secret_credential = .*|client_secret_file = \"/etc/keydove/typed-secret\"|' $TOML >/etc/keydove/typed.toml"
    # The keydove that runs is another realm's, which is a fault here.
    EDITS='s#keydove check(.*)#keydove check --no-mail-servers --config /etc/keydove/typed.toml\1 || true#' types "$page" Check
    shown "$page: the right password opens the mailbox" \
        "*the service account sees people*alice@example.org: imap: the right password opens the mailbox*"
    in_it 'rm /etc/keydove/typed.toml /etc/keydove/typed-secret'
    # The administrator's token is in it.
    rm -rf "$home"
    unset BESIDE EDITS ANSWERS
}
# The blocks of a page, and commands, on the computer beside.
types_beside() {
    local commands
    commands=$(block "$@") || { bad "$1 has no such commands below \"$2\""; return; }
    on_beside "$1, $2" "cd '$home'
$(sed -E "$EDITS" <<<"$commands")"
}
on_beside() {
    AT=("$HERE/machine" net "${BESIDE[@]}")
    on_terminal_of "$1" "set -e
$2"
}

# exim.md: Exim takes Postfix's place, after all else. keydove is installed once more.
exim() {
    local page=docs/exim.md
    does "Exim in Postfix's place" "set -e
        export DEBIAN_FRONTEND=noninteractive
        apt-get update
        apt-get install -y exim4-daemon-heavy keydove
        install -m 0600 $DESK/client-secret /etc/keydove/client-secret
        install -m 0640 -g Debian-exim /etc/ssl/private/ssl-cert-snakeoil.key /etc/exim4/key.pem"
    "$HERE/machine" shell "cat >$TOML" <<'END'
[[listener]]
door = "control"
path = "/run/keydove/control"
mode = "0600"

[keycloak]
server_url = "http://127.0.0.1:24080"
realm = "mail"
client_id = "mailcow"
client_secret_credential = "client-secret"
END
    puts $TOML $page keydove.toml 1
    in_it 'rm -rf /var/lib/keydove'
    types docs/install.md '5. The domain and the mailboxes'
    types $page keydove.toml 2
    "$HERE/machine" shell 'cat >/etc/exim4/exim4.conf' <<'END'
primary_hostname = mail.example.org
daemon_smtp_ports = 587
tls_advertise_hosts = *
tls_certificate = /etc/ssl/certs/ssl-cert-snakeoil.pem
tls_privatekey = /etc/exim4/key.pem
END
    puts /etc/exim4/exim4.conf $page "Exim's configuration" 1
    types $page "Exim's configuration" 2
    in_time "$page: Exim answers" 'bash -c "exec 3<>/dev/tcp/127.0.0.1/587"'
    types $page Check
    shown "$page: a login by Exim" "*235 Authentication succeeded*verdict=accept*"
    does "$page: the authenticators are out" "sed -i '/^begin authenticators/,\$d' /etc/exim4/exim4.conf"
    types $page 'Go back' 1
    does "$page: the listener is out" "sed -i '/^door = \"auth-client\"/,/^path/d' $TOML; sed -i -z 's/\\[\\[listener\\]\\]\\n*\$//' $TOML"
    types $page 'Go back' 2
    says "$page: keydove goes on" 'systemctl is-active keydove' active
}
