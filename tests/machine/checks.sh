# What is claimed, counted and said by the tests of the machine; and the pages that are followed there. Sourced by `run`.
# shellcheck shell=bash

DESK=/srv/keydove-test # what the tests need inside the machine
passed=0 failed=0 delivered=0 SUITE='' STEPS=/dev/null
PATIENCE=300 # seconds, for all that is waited for: another run may want the processors
export SEEN= # the blocks of pages that were used on this Debian

in_it() { "$HERE/machine" shell "$1" 2>&1; }
ok() { passed=$((passed + 1)); step "ok: $1"; }
step() { printf '%5d s  %s\n' "$SECONDS" "$1" >>"$STEPS"; }
bad() {
    failed=$((failed + 1))
    step "FAILED: $1"
    printf '%s: FAILED: %s\n' "$SUITE" "$1" >&2
    printf '%s\n' "${2:-}" | tail -n 40 | sed 's/^/    /' >&2
}

# says WHAT COMMAND TEXT: the command's output in the machine holds the text.
says() {
    local output
    output=$(in_it "$2") || true
    case $output in *"$3"*) ok "$1" ;; *) bad "$1 (expected: $3)" "$output" ;; esac
}
# does WHAT COMMAND: the command ends with 0 in the machine.
does() {
    local output
    if output=$(in_it "$2"); then ok "$1"; else bad "$1" "$output"; fi
}
# in_time WHAT COMMAND: tries until the command ends with 0.
in_time() {
    local end=$((SECONDS + PATIENCE)) output
    until output=$(in_it "$2"); do
        [ $SECONDS -lt $end ] || { bad "within $PATIENCE s: $1" "$output"; return; }
        sleep 0.2
    done
    ok "$1"
}

# block PAGE HEADING [N...]: blocks of code of a page, as they stand there.
block() { python3 "$HERE/page.py" "$@"; }
# types PAGE HEADING [N...]: an administrator types them on a terminal. Each command ends with 0. What the reader is to put
# in their place is put there by `sed` with $EDITS.
types() {
    local commands
    commands=$(block "$@") || { bad "$1 has no such commands below \"$2\""; return; }
    on_terminal "$1, $2" "$(sed -E "${EDITS:-}" <<<"$commands")"
}
# on_terminal WHAT COMMANDS: what the terminal asks for is answered from $ANSWERS, and what it shows is in $typed.
on_terminal() {
    AT=("$HERE/machine" shell)
    on_terminal_of "$1" "set -e
cd $DESK
export DEBIAN_FRONTEND=noninteractive EDITOR=$DESK/editor
$2"
}
# The same with a shell that AT starts.
on_terminal_of() {
    printf 'Password:\t%s\n[Y/n]\ty\n%b' "$PASSWORD" "${ANSWERS:-}" >".stage/machine/$SUITE/answers"
    if typed=$(python3 "$HERE/typist.py" ".stage/machine/$SUITE/answers" "${AT[@]}" "$2" 2>&1); then ok "$1"; else bad "$1" "$typed"; fi
}
# shown WHAT PATTERN: what the terminal showed fits the pattern.
shown() {
    # shellcheck disable=SC2254
    case $typed in $2) ok "$1" ;; *) bad "$1 (expected: $2)" "$(tail -n 5 <<<"$typed")" ;; esac
}
# edits COMMANDS: what they do in an editor that a command opens next, as commands of sed.
edits() { "$HERE/machine" shell "cat >$DESK/edits" <<<"$1"; }
# puts FILE PAGE HEADING N: they put the block at the end of a file.
puts() {
    local text
    text=$(block "${@:2}") || { bad "$2 has no such block below \"$3\""; return; }
    if "$HERE/machine" shell "cat >>'$1'" < <(printf '\n'; sed -E "${EDITS:-}" <<<"$text"); then ok "$2, $3"; else bad "$2, $3: cannot write $1"; fi
}
# whole PAGE HEADING...: every block of the page was used by now, but for those below these headings, which no test runs.
whole() {
    local left heading
    left=$(python3 "$HERE/page.py" --unused <(cat .stage/machine/*/seen) "$1")
    for heading in "${@:2}"; do left=$(grep -vF "$heading: " <<<"$left" || true); done
    if [ -z "$left" ]; then ok "$1: each block"; else bad "$1: nothing follows these blocks" "$left"; fi
}

logins() {
    local service
    for service in imap pop3 sieve smtp; do
        in_time "$1: $service" "python3 $DESK/login.py $service $PERSON $PASSWORD | tee /dev/stderr | grep -qx OK"
    done
    in_time "$1: a wrong password is refused" "python3 $DESK/login.py imap $PERSON wrong | tee /dev/stderr | grep AUTHENTICATIONFAILED"
}
# Whether keydove was asked for each service since `mark` was called.
mark() { in_it 'journalctl --sync; journalctl -u keydove -n 0 --show-cursor | sed -n "s/^-- cursor: //p" >'"$DESK/cursor"; }
asked() {
    local service
    for service in imap pop3 sieve smtp; do
        says "$1: keydove is asked for $service" "journalctl --sync; journalctl -u keydove -o cat --no-pager --after-cursor=\"\$(cat $DESK/cursor)\" |
            grep -c 'verdict=accept.*service=$service' | grep -vx 0 && echo asked" asked
    done
}

# Clients that log in and mails that come in, from begin_load to end_load.
begin_load() { in_it "cd $DESK; rm -f stop load.begun; python3 login.py load stop $PERSON $PASSWORD >load 2>&1 & echo \$! >$DESK/load.pid"; }
end_load() {
    local output mails
    output=$(in_it "cd $DESK; touch stop; tail --pid=\$(cat load.pid) -f /dev/null; cat load")
    case $output in *$'\n'"0 lost, "*) ok "$1: nothing is lost" ;; *) bad "$1: nobody's login and nobody's mail is lost" "$output" ;; esac
    echo "$SUITE: $1: ${output//$'\n'/; }"
    mails=$(sed -n 's/.*mail \([0-9]*\)$/\1/p' <<<"$output")
    delivered=$((delivered + ${mails:-0}))
    # Dovecot's LMTP server that is told to end may have saved the mail for which it says "try again".
    in_time "$1: each mail is delivered" \
        "postqueue -f; test \$(grep -rhs '^Subject: load' /var/vmail/example.org/alice/Maildir/{new,cur} | sort -u | wc -l) = $delivered"
    says "$1: no mail has bounced" 'grep -c status=bounced /var/log/mail.log; true' 0
}
under_load() {
    begin_load
    in_time "$1: clients log in" "test -s $DESK/load.begun"
    "${@:2}"
    end_load "$1"
}

# Everything below /etc: names, kinds, owners, modes, contents.
etc() {
    in_it 'cd /etc && find . -printf "%p %y %m %U:%G %l\n" | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum'
}
# same_etc WHAT BEFORE [PATTERN]: /etc is byte for byte what it was, but for lines with the pattern.
same_etc() {
    local change
    if change=$(diff <(grep -vE "${3:-^$}" <<<"$2") <(etc | grep -vE "${3:-^$}")); then ok "$1: /etc"; else bad "$1: /etc is as it was" "$change"; fi
}
