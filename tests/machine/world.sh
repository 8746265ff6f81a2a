# What is around the tests of the machine: a Keycloak in its network, and an apt repository of the package. Sourced by `run`.
# shellcheck shell=bash

start_keycloak() {
    local home=.stage/machine/$SUITE/keycloak source
    source=$(find .stage -maxdepth 1 -name 'keycloak-26.7*' | head -n 1)
    rm -rf "$home"
    mkdir -p "$home/bin" "$home/data"
    for part in lib conf providers themes version.txt; do ln -s "$PWD/$source/$part" "$home/$part"; done
    cp "$source/bin/kc.sh" "$home/bin/"
    cp -R .stage/realm-template/h2 "$home/data/h2"
    # A group of its own, because the script that starts it does not hand signals on.
    JAVA_OPTS_APPEND="-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC -Xmx384m" \
        setsid "$HERE/machine" net "$home/bin/kc.sh" start-dev --http-host=127.0.0.1 --http-port=24080 \
        >".stage/machine/$SUITE/keycloak.log" 2>&1 </dev/null &
    keycloak=$!
    echo "$keycloak" >".stage/machine/$SUITE/keycloak.pid"
}
# This run's, or that of one that was killed.
stop_keycloak() {
    local file=.stage/machine/$SUITE/keycloak.pid group
    group=$(cat "$file" 2>/dev/null || true)
    if [ -n "$group" ] && grep -qsa -- "machine/$SUITE/keycloak/" "/proc/$group/cmdline"; then
        kill -- "-$group" 2>/dev/null || true
        wait "$group" 2>/dev/null || true
    fi
    rm -f "$file"
    keycloak=
}
wait_for_keycloak() {
    local end=$((SECONDS + PATIENCE))
    until "$HERE/machine" net curl -fs --noproxy '*' -o /dev/null http://127.0.0.1:24080/realms/mail; do
        kill -0 "$keycloak" && [ $SECONDS -lt $end ] ||
            { echo "Keycloak did not come up: .stage/machine/$SUITE/keycloak.log" >&2; return 1; }
        sleep 0.5
    done
}

# The machine goes, and what is around it; also that of a run which was killed.
tidy_up() {
    stop_keycloak
    "$HERE/machine" down || true
}

# A new machine boots, with what the tests need in it. `bare`: without mail servers.
boot() {
    local root
    "$HERE/machine" build "$@"
    "$HERE/machine" fresh "$@"
    root=$("$HERE/machine" root)
    mkdir -p "$root$DESK/apt"
    cp "$HERE/login.py" "$HERE/rights.py" "$HERE/before.sh" "$root$DESK/"
    cp "$package" "$root$DESK/keydove_tested.deb"
    printf '#!/bin/bash\nexec sed -i -f %s/edits "${@: -1}"\n' "$DESK" >"$root$DESK/editor"
    chmod +x "$root$DESK/editor"
    local packages=.stage/machine/$SUITE/${1:-base}.packages
    [ ! -d "$packages" ] || cp "$packages/"*.deb "$root$DESK/apt/"
    make_repository
    "$HERE/machine" up
}

# An apt repository of the packages, to which `offer_later` adds them again under a later version.
make_repository() {
    local root
    root=$("$HERE/machine" root)
    cp "$package" "$root$DESK/apt/keydove.deb"
    cp "${package/keydove_/keydove-portal_}" "$root$DESK/apt/keydove-portal.deb"
    rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
    printf 'Types: deb\nURIs: file:%s/apt\nSuites: ./\nTrusted: yes\n' "$DESK" >"$root/etc/apt/sources.list.d/keydove.sources"
    (cd "$root$DESK/apt" && dpkg-scanpackages --multiversion . 2>/dev/null >Packages)
}
offer_later() {
    local folder name work=.stage/machine/$SUITE/later
    folder=$("$HERE/machine" root)$DESK/apt
    for name in keydove keydove-portal; do
        rm -rf "$work"
        dpkg-deb -R "$folder/$name.deb" "$work"
        # Also in what the packages say of each other.
        sed -i -E 's/^Version: .*/&+later/; s/\((=|<<|>>) ([^)]*)\)/(\1 \2+later)/g' "$work/DEBIAN/control"
        dpkg-deb --root-owner-group -Znone -b "$work" "$folder/$name-later.deb" >/dev/null
    done
    rm -rf "$work"
    (cd "$folder" && dpkg-scanpackages --multiversion . 2>/dev/null >Packages)
}
