# `keydove setup` on a booted machine: each way in, and back; and README.md from a bare Debian on. Sourced by `run`.
# shellcheck shell=bash

# Where Debian's MariaDB is; root comes in there without a password.
MARIADB=/run/mysqld/mysqld.sock

# An administrator's answers, but for the way in.
answers() {
    "$HERE/machine" shell "cat >$DESK/answers.toml" <<END
server_url = "http://127.0.0.1:24080"
realm = "mail"
admin_user = "admin"
domains = ["example.org"]
test_user = "$PERSON"
END
}
keydove_setup() {
    in_it "KEYDOVE_ADMIN_PASSWORD=admin KEYDOVE_TEST_PASSWORD=$PASSWORD keydove setup --yes --answers $DESK/answers.toml $*"
}
# set_up WHAT FLAGS...
set_up() {
    local output
    if output=$(keydove_setup "${@:2}"); then ok "$1"; else bad "$1 ends well" "$output"; fi
}
# Everybody's login goes through keydove; a second run finds nothing to do.
is_set_up() {
    local name=$1 before output
    mark
    logins "$name"
    asked "$name"
    says "$name: no unit has failed" 'systemctl --failed --no-legend --plain | wc -l' 0
    case "$*" in *--mariadb*) on_mariadb "$name" ;; esac
    before=$(etc)
    output=$(keydove_setup "${@:2}") || true
    case $output in *"nothing had to be changed"*) ok "$name: a second run" ;; *) bad "$name: a second run changes nothing" "$output" ;; esac
    same_etc "$name: after a second run" "$before"
}
undo() {
    does "$1: the undo ends well" "KEYDOVE_ADMIN_PASSWORD=admin keydove setup --undo --yes --admin-user admin"
}
# way WHAT FLAGS...: there under load, and back under load; /etc is as it was. $THEN is done in between.
way() {
    local before
    before=$(etc)
    under_load "$1" set_up "$@"
    is_set_up "$@"
    [ -z "${THEN:-}" ] || "$THEN" "$@"
    under_load "$1, undone" undo "$1"
    same_etc "$1, undone" "$before"
}
# removal WHAT FLAGS...: there under load; then the package goes as it is, which takes back what setup did, under load.
removal() {
    local before
    before=$(etc)
    under_load "$1" set_up "$@"
    is_set_up "$@"
    under_load "$1, removed" does "the package goes" 'DEBIAN_FRONTEND=noninteractive apt-get remove -y keydove'
    # Keycloak's part of the journal waits for an administrator.
    same_etc "$1, removed" "$before" '^\./keydove/|  \./keydove/|^\./keydove '
    logins "$1, removed"
    does "no unit is left over" '! systemctl list-unit-files --no-legend "keydove*" | grep . && ! find /etc/systemd -name "*keydove*" | grep .'
    does "the package comes back" 'DEBIAN_FRONTEND=noninteractive apt-get install -y keydove'
    undo "Keycloak's part, after the package came back"
    same_etc "$1, removed, undone" "$before"
}

# The mailboxes are in MariaDB, and keydove's user there may do what `keydove grants` names and no more.
on_mariadb() {
    local name=$1 sql='mariadb --skip-column-names -e'
    says "$name: mailboxes are there" "$sql 'SELECT username FROM keydove.mailbox'" "$PERSON"
    does "$name: no right is missing, and none is too much" "set -e
        keydove grants --commands | sed '/^-- mailcow only/,\$d' >$DESK/named
        $sql \"SHOW GRANTS FOR 'keydove'@'localhost'\" >$DESK/given
        python3 $DESK/rights.py $DESK/named $DESK/given"
    does "$name: a command changes what is there" 'runuser -u keydove -- keydove mailbox set '"$PERSON"' --name "Alice M."'
}
# An undo asks before it removes mailboxes; `--yes` is no answer to that.
database_goes() {
    does "the database stays after an undo" "mariadb -e 'SELECT username FROM keydove.mailbox' | grep '$PERSON' &&
        mariadb --skip-column-names -e 'SELECT User FROM mysql.user' | grep -vqx keydove"
    set_up "with the database of before" --dovecot takeover --mariadb "$MARIADB"
    does "an undo removes the user" "KEYDOVE_ADMIN_PASSWORD=admin keydove setup --undo --yes --admin-user admin
        ! mariadb --skip-column-names -e 'SELECT User FROM mysql.user' | grep -x keydove
        mariadb -e 'DROP DATABASE keydove'"
    set_up "with a new database" --dovecot takeover --mariadb "$MARIADB"
    does "an undo removes the database, if it is told to" "KEYDOVE_ADMIN_PASSWORD=admin keydove setup --undo --yes --drop-database --admin-user admin
        ! mariadb -e 'USE keydove'"
}

# Every way in.
ways() {
    local before
    answers
    before=$(etc)
    says "a dry run shows the changes" "KEYDOVE_ADMIN_PASSWORD=admin keydove setup --dry-run --answers $DESK/answers.toml" "none was made"
    same_etc "a dry run" "$before"
    # Its user and its files are no part of what setup changes.
    does "the portal's package" 'DEBIAN_FRONTEND=noninteractive apt-get install -y keydove-portal'
    if [ "$SUITE" = bookworm ]; then
        THEN=portal_by_setup way "the takeover" --dovecot takeover
    else
        does "MariaDB starts" 'systemctl start mariadb'
        THEN=portal_by_setup way "the takeover, with MariaDB" --dovecot takeover --mariadb "$MARIADB"
        database_goes
    fi
    does "the portal's package goes" 'DEBIAN_FRONTEND=noninteractive apt-get purge -y keydove-portal'
    [ "$SUITE" != bookworm ] || way "checkpassword" --dovecot checkpassword --postfix sasl
    removal "Lua, and everything that Postfix can ask" --dovecot lua --postfix sasl --postfix maps --postfix policy
}

# README.md, in its order, by an administrator who has nothing else: from a Debian without mail servers to a login. Their
# client's and the servers' certificates are nobody's, which swaks does not mind.
readme() {
    boot bare
    start_keycloak
    does "README.md: the archive is there" 'apt-get update'
    wait_for_keycloak
    local begun=$SECONDS heading="From a bare Debian to the first login"
    ANSWERS="Keycloak's address, such as https://sso.example.org:\thttp://127.0.0.1:24080
the realm of the users:\tmail
an administrator of Keycloak:\tadmin
password of Keycloak's administrator:\tadmin
the mail domains, with blanks between them (none: those that are there):\texample.org
a user who logs in as a test (none: no test):\t$PERSON
password of the test user:\t$PASSWORD
make these changes? [y/N]:\ty
" types README.md "$heading"
    shown "README.md: keydove check finds nothing" "*nothing stands against logins*"
    shown "README.md: a login at the submission service" "*235 2.7.0 Authentication successful*"
    shown "README.md: the first login" "*passdb: $PERSON auth succeeded*"
    shown "README.md: one line for each login" "*verdict=accept*service=smtp*"
    says "README.md: a login by IMAP" "python3 $DESK/login.py imap $PERSON $PASSWORD" OK
    says "README.md: at most ten commands" "test $(block README.md "$heading" | grep -c .) -le 10 && echo few" few
    echo "$SUITE: README.md: from a bare Debian to the first login in $((SECONDS - begun)) s"
    does "README.md: and back" "KEYDOVE_ADMIN_PASSWORD=admin keydove setup --undo --yes --admin-user admin"
    says "README.md: Dovecot goes on" 'systemctl is-active dovecot' active
    "$HERE/machine" off
}
