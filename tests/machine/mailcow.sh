# `keydove setup --mailcow` on a booted machine: systemd, MariaDB, Redis and Keycloak are real; `docker` is a double
# (mailcow_docker.sh), mailcow's folder a copy of its layout, and another keydove answers in place of mailcow's own login. Sourced
# by `run`.
# shellcheck shell=bash

MAILCOW=/opt/mailcow-dockerized

mailcow_ground() {
    local opt
    opt=$("$HERE/machine" root)
    cp "$HERE/mailcow_docker.sh" "$opt/usr/local/bin/docker"
    chmod 0755 "$opt/usr/local/bin/docker"
    "$HERE/machine" shell 'mariadb' < <(
        echo 'DROP DATABASE IF EXISTS mailcow; CREATE DATABASE mailcow CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; USE mailcow;'
        cat src/backend/sql/migrations/mariadb/0001_mailboxes.sql
        cat <<'END'
INSERT INTO identity_provider (`key`, value) VALUES ('authsource', 'keycloak'), ('server_url', 'http://127.0.0.1:24080'),
    ('realm', 'mail'), ('client_id', 'mailcow'), ('client_secret', 's3cret'), ('mailpassword_flow', '1'), ('login_provisioning', '');
INSERT INTO domain (domain) VALUES ('example.org');
INSERT INTO mailbox (username, password, name, local_part, domain, attributes, authsource)
    VALUES ('alice@example.org', '', 'Alice', 'alice', 'example.org', '{}', 'keycloak');
ALTER USER 'root'@'localhost' IDENTIFIED BY 'root-of-conf';
END
    )
    "$HERE/machine" shell "mkdir -p $MAILCOW/data/conf/phpfpm/sogo-sso $MAILCOW/data/conf/dovecot $DESK/login && cd $MAILCOW &&
        printf 'services:\n  dovecot-mailcow:\n    image: ghcr.io/mailcow/dovecot:2.35\n' >docker-compose.yml
        printf '# ours\nservices:\n  php-fpm-mailcow:\n    environment:\n      - WORKERS=20   # was 10\n' >docker-compose.override.yml
        echo 'mail_max_userip_connections = 60' >data/conf/dovecot/extra.conf
        echo 'a sogo secret' >data/conf/phpfpm/sogo-sso/sogo-sso.pass
        cat >mailcow.conf; chmod 0600 mailcow.conf data/conf/phpfpm/sogo-sso/sogo-sso.pass" <<'END'
MAILCOW_HOSTNAME=mail.example.org
DBNAME=mailcow
DBROOT=root-of-conf
REDISPASS=redis-secret
SQL_PORT=127.0.0.1:3306
REDIS_PORT=127.0.0.1:6379
IPV4_NETWORK=127.22.1
SKIP_SOGO=n
END
    # In place of mailcow's login, which nginx and PHP answer.
    "$HERE/machine" shell "cat >$DESK/login/keydove.toml; echo s3cret >$DESK/login/secret; chmod 0600 $DESK/login/secret" <<END
[keycloak]
server_url = "http://127.0.0.1:24080"
realm = "mail"
client_id = "mailcow"
client_secret_file = "$DESK/login/secret"

[storage.sqlite]
path = "$DESK/login/keydove.sqlite"

[http_login]
listen = "127.0.0.1:9082"
own_certificate = true
END
    does "in place of mailcow's login" "set -e
        keydove domain add example.org --mailboxes 50 --quota 500GiB --config $DESK/login/keydove.toml
        keydove mailbox add $PERSON --name Alice --quota 5GiB --config $DESK/login/keydove.toml
        sed -i 's/^# *requirepass .*/requirepass redis-secret/' /etc/redis/redis.conf
        systemctl restart redis-server
        systemd-run --quiet --unit=mailcow-login keydove serve --config $DESK/login/keydove.toml"
}
# All of mailcow's files; SOGo's secret is made again by its container.
mailcow_files() { in_it "cd $MAILCOW && find . -type f ! -name sogo-sso.pass -print0 | sort -z | xargs -0 sha256sum; find . -printf '%p %m %U:%G\n' | sort"; }
mailcow_setup() {
    local output
    if output=$(in_it "KEYDOVE_TEST_PASSWORD=$PASSWORD keydove setup --yes --test-user $PERSON ${*:2}"); then ok "$1"; else
        bad "$1 ends well" "$output"$'\n'"$(grep -A1 '^fault:' <<<"$output" || true)"
    fi
}
# As mailcow's Dovecot asks.
http_login() {
    in_time "mailcow, $1" "curl -sk https://127.22.1.1:9082 -w ' %{http_code}' \
        -d '{\"username\":\"$PERSON\",\"password\":\"$PASSWORD\",\"real_rip\":\"192.0.2.1\",\"service\":\"imap\"}' | grep -F '{\"success\":true} 200'"
    in_time "mailcow, $1: a wrong password" "curl -sk https://127.22.1.1:9082 -w ' %{http_code}' \
        -d '{\"username\":\"$PERSON\",\"password\":\"wrong\",\"real_rip\":\"192.0.2.1\",\"service\":\"imap\"}' | grep -F '{\"success\":false} 401'"
}

mailcow() {
    local before files output
    does "keydove's package beside mailcow" 'DEBIAN_FRONTEND=noninteractive apt-get install -y keydove && systemctl start mariadb redis-server'
    mailcow_ground
    before=$(etc) files=$(mailcow_files)
    mailcow_setup "mailcow: shadow mode" --mailcow
    http_login "in shadow mode"
    says "mailcow decides" 'journalctl --sync; journalctl -u keydove -o cat --no-pager | grep -q "shadow mode: mailcow decides logins over HTTP" && echo shadow' shadow
    says "mailcow: units are on" 'systemctl is-active keydove.service keydove-sogo.path | sort -u; systemctl is-enabled keydove.service keydove-sogo.path | sort -u' "active
enabled"
    says "mailcow: no unit has failed" 'systemctl --failed --no-legend --plain | wc -l' 0
    does "mailcow: the service runs without a client secret" '! test -e /etc/keydove/client-secret && systemctl is-active keydove'
    says "mailcow: secrets are root's and keydove's" 'cd /etc/keydove && stat -c "%a %U %G" database-password redis-password sogo-sso | sort -u' "640 root keydove"
    # SOGo's container makes another secret; a unit copies it and starts keydove again.
    does "mailcow: SOGo's secret is another one" "echo another >$MAILCOW/data/conf/phpfpm/sogo-sso/sogo-sso.pass"
    in_time "mailcow: SOGo's new secret is keydove's" "cmp $MAILCOW/data/conf/phpfpm/sogo-sso/sogo-sso.pass /etc/keydove/sogo-sso && test \$(stat -c %U:%G:%a /etc/keydove/sogo-sso) = root:keydove:640"
    http_login "with SOGo's new secret"
    output=$(in_it "keydove setup --yes --mailcow") || true
    case $output in *"nothing had to be changed"*) ok "mailcow: a second run" ;; *) bad "mailcow: a second run changes nothing" "$output" ;; esac
    mailcow_setup "mailcow: keydove decides" --decide
    http_login "when keydove decides"
    says "keydove decides" 'journalctl --sync; journalctl -u keydove -o cat --no-pager | grep -c "verdict=accept.*service=imap" | grep -vx 0 && echo decides' decides
    "$HERE/machine" reboot
    does "in place of mailcow's login, after a reboot" "systemctl start mariadb redis-server"
    http_login "after a reboot"
    does "mailcow: the undo ends well" 'keydove setup --undo --yes'
    same_etc "mailcow, undone" "$before"
    if output=$(diff <(echo "$files") <(mailcow_files)); then ok "mailcow's files"; else bad "mailcow's files are as they were" "$output"; fi
    says "mailcow: keydove is off" 'systemctl is-active keydove.service; systemctl is-enabled keydove.service' "inactive
disabled"
    says "mailcow: no unit has failed at the end" 'systemctl --failed --no-legend --plain | wc -l' 0
    does "mailcow: no unit and no database user is left over" "! find /etc/systemd /run/systemd/system -name '*keydove*' | grep . &&
        ! MYSQL_PWD=root-of-conf mariadb -uroot -h127.0.0.1 --skip-column-names -e 'SELECT User FROM mysql.user' | grep -x keydove"
}
