# Keycloak from Maven Central and a database of it that already holds the test realm, for `tests/setup` and
# `tests/versions/run`. Read with `.`; the caller has defined `say`, `die` and STAGE, and stands in the source tree.

REALM=tests/realm/mail-realm.json

# Cases that run side by side use realms of their own: mail, mail-1 and so on.
REALM_COPIES=11
# Making a realm takes Keycloak most of a second, so realms without people stand ready for cases that need one more:
# blank-1 and so on, of the version that everything is tested with.
BLANK_REALMS=96

# The version that everything is tested with.
KEYCLOAK_VERSION=26.7.3

keycloak_sha256() {
    case $1 in
    26.7.3) echo 27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f ;;
    26.4.2) echo 2a30e4602d63d4501a4a8263bfa4e14cbd5970b4116c618ea28f339b16190233 ;;
    26.2.5) echo 31c298273557bd53270905ae63c1522e319d2137ccce17318171864be496d699 ;;
    25.0.6) echo cfec876e5f3c1849756ce2d4327c708ddc6e24a86ab939a69787f19b503d8e36 ;;
    24.0.5) echo 5ee1aefa6c611c57e1ee94406e0e51b91b8242b93072cafd19b88f72a4404702 ;;
    *) die "no checksum is known of Keycloak $1: add it to tests/versions/keycloak.sh" ;;
    esac
}

keycloak_home() { echo "$STAGE/keycloak-$1"; }

keycloak_template() {
    if [ "$1" = "$KEYCLOAK_VERSION" ]; then echo "$STAGE/realm-template"; else echo "$STAGE/realm-template-$1"; fi
}

# fetch_keycloak VERSION
fetch_keycloak() (
    home=$(keycloak_home "$1")
    zip=$STAGE/download/keycloak-quarkus-dist-$1.zip
    [ ! -f "$home/bin/kc.sh" ] || return 0
    mkdir -p "$STAGE/download"
    if [ ! -f "$zip" ]; then
        say "fetching Keycloak $1 from Maven Central (up to 180 MB)"
        mvn -B -q -Dmaven.repo.local="$STAGE/m2" \
            org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
            -Dartifact="org.keycloak:keycloak-quarkus-dist:$1:zip" \
            -DoutputDirectory="$STAGE/download" >&2 || die "Keycloak $1 could not be fetched"
        rm -rf "$STAGE/m2"
    fi
    if ! echo "$(keycloak_sha256 "$1")  $zip" | sha256sum --check --status; then
        rm -f "$zip"
        die "the downloaded Keycloak $1 is not the expected file; it was removed, run this again"
    fi
    rm -rf "$STAGE/unpack"
    unzip -q "$zip" -d "$STAGE/unpack"
    mv "$STAGE/unpack/keycloak-$1" "$home"
    rmdir "$STAGE/unpack"
)

free_port() {
    port=$((20000 + $$ % 10000))
    while ss -Hltn "sport = :$port" 2>/dev/null | grep -q .; do port=$((port + 1)); done
    echo "$port"
}

# As an entry of a realm's components. Keycloak would make keys by itself, and take seconds for each.
realm_keys() {
    pem=$(openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=realm -keyout - -out - 2>/dev/null)
    block() { printf '%s\n' "$pem" | sed -n "/BEGIN $1/,/END $1/{/-----/d;p}" | tr -d '\n'; }
    cat <<EOF | tr -d '\n'
"org.keycloak.keys.KeyProvider": [
{"name": "rsa", "providerId": "rsa", "subComponents": {}, "config":
 {"priority": ["100"], "privateKey": ["$(block 'PRIVATE KEY')"], "certificate": ["$(block CERTIFICATE)"]}},
{"name": "hmac-generated", "providerId": "hmac-generated", "subComponents": {}, "config":
 {"priority": ["100"], "algorithm": ["HS512"]}},
{"name": "aes-generated", "providerId": "aes-generated", "subComponents": {}, "config": {"priority": ["100"]}}],
EOF
}

# make_template VERSION: starts the server once with an import, and keeps its database as the template.
make_template() (
    home=$(keycloak_home "$1")
    template=$(keycloak_template "$1")
    blanks=0
    [ "$1" != "$KEYCLOAK_VERSION" ] || blanks=$BLANK_REALMS
    sum="$1 $REALM_COPIES $blanks $(sha256sum "$REALM")"
    [ "$(cat "$template/checksum" 2>/dev/null || true)" != "$sum" ] || return 0
    say "importing $REALM into a database of Keycloak $1 (once, about two minutes)"
    rm -rf "$template" "$home/data"
    mkdir -p "$template" "$home/data/import"
    for realm in mail $(seq -f mail-%g "$REALM_COPIES") $(seq -f blank-%g "$blanks"); do
        case $realm in
        blank-*) jq '.adminEventsEnabled = false | .users |= map(select(.serviceAccountClientId))' "$REALM" ;;
        *) cat "$REALM" ;;
        esac | sed -e "s/^ *\"realm\": \"mail\"/ \"realm\": \"$realm\"/" -e "s|\"components\": {|&$(realm_keys)|" \
            >"$home/data/import/$realm-realm.json"
    done
    port=$(free_port)
    log=$template/import.log
    # Up to 25 the first administrator had other names.
    KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin \
        KEYCLOAK_ADMIN=admin KEYCLOAK_ADMIN_PASSWORD=admin \
        JAVA_OPTS_APPEND="-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:-UseParallelGC -XX:+UseSerialGC" \
        "$home/bin/kc.sh" start-dev --http-host=127.0.0.1 --http-port="$port" --import-realm >"$log" 2>&1 &
    server=$!
    trap 'kill "$server" 2>/dev/null || true' EXIT
    trap 'exit 1' HUP INT TERM
    tries=0
    until curl -fs --noproxy '*' -o /dev/null "http://127.0.0.1:$port/realms/mail"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 1200 ] || ! kill -0 "$server" 2>/dev/null; then
            tail -n 20 "$log" >&2
            die "Keycloak $1 did not come up for the import; its log is $log"
        fi
        sleep 1
    done
    kill "$server"
    wait "$server" || true
    trap - EXIT HUP INT TERM
    mv "$home/data/h2" "$template/h2"
    # What was written over and over goes: the file is copied in each run.
    "${JAVA_HOME:+$JAVA_HOME/bin/}java" -cp "$(echo "$home"/lib/lib/main/com.h2database.h2-*.jar)" \
        org.h2.mvstore.MVStoreTool -compact "$template/h2/keycloakdb.mv.db" >>"$log" 2>&1
    rm -f "$template"/h2/*.trace.db
    rm -rf "$home/data"
    echo "$sum" >"$template/checksum"
)
