#!/bin/sh
# A double of `docker`, because no containers run in the tests: `docker compose ps` names mailcow's services, `exec` runs the
# program on the machine itself, whose MariaDB and Redis stand for mailcow's, and `up` does to mounted files what mailcow's
# containers do when they start. What it is told is in /srv/keydove-test/told.
opt=/opt/mailcow-dockerized script=/etc/keydove/mailcow/passwd-verify.lua
echo "$*" >>/srv/keydove-test/told
shift
case "$1" in
    ps) printf '%s\n' dovecot-mailcow mysql-mailcow nginx-mailcow php-fpm-mailcow sogo-mailcow redis-mailcow ;;
    up)
        case "$*" in *dovecot-mailcow*)
            [ ! -e $script ] || { chown root:mail $script; chmod 0640 $script; }
            date +%N >$opt/data/conf/phpfpm/sogo-sso/sogo-sso.pass
        esac ;;
    exec)
        shift 3
        # The container of an administrator who has changed the database's password since it was made.
        export MYSQL_ROOT_PASSWORD=of-before
        case "$1" in curl) shift; exec /usr/bin/curl --resolve keydove:9082:127.22.1.1 "$@" ;; esac
        exec "$@" ;;
esac
