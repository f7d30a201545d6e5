#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Rights and passwords that change while a worker lives: NOPERM, WRONGPASS and
# NOAUTH. Nothing spins, the log names the user and the command, nothing has to
# be started again, and no secret is in a log or in a command line. Row 62 of
# the catalogue, threat S15.
. "$(dirname "$0")/lib.sh"

redis-server --port 0 --unixsocket "$tmp/redis.sock" --dir "$tmp" --save '' \
    --appendonly yes >"$tmp/redis.log" 2>&1 &
pids+=("$!")
admin() {
    timeout 5 redis-cli -s "$tmp/redis.sock" --user root --pass canary-root \
        --no-auth-warning "$@" 2>/dev/null
}
plain_answers() {
    [ "$(redis-cli -s "$tmp/redis.sock" PING 2>/dev/null)" = PONG ]
}
until_true 10 "Redis answers" plain_answers
redis-cli -s "$tmp/redis.sock" ACL SETUSER root on '>canary-root' '~*' '&*' \
    +@all >/dev/null
admin ACL SETUSER alice on '>canary-one' '~*' '&*' +@all >/dev/null
admin ACL SETUSER default off >/dev/null
refusals() { # how many times Redis has said WORD
    local n
    n=$(admin INFO errorstats | sed -n "s/^errorstat_$1:count=\([0-9]*\).*/\1/p")
    echo "${n:-0}"
}

# A password in the URL is not in the command line for long.
url="unix://alice:canary-one@$tmp/redis.sock"
echo '{"tasks": {"f": {"exec": ["true"]}}}' >"$tmp/worker.json"
worker argv --url "$url"
argv_is_clean() {
    local text
    text=$(tr '\0' ' ' <"/proc/$worker_pid/cmdline")
    case "$text" in
    *--url*canary*) return 1 ;;
    *--url*) return 0 ;;
    esac
    return 1
}
until_true 5 "the password is not in the command line" argv_is_clean
until_true 10 "which works all the same" grep -q event=connect "$tmp/argv.log"
kill "$worker_pid"
ended "$worker_pid" 10

# From a file, which the environment names.
echo canary-one >"$tmp/password"
export STINT_PASSWORD_FILE=$tmp/password STINT_URL=unix://alice@$tmp/redis.sock
worker w
completes() {
    local id
    id=$("$STINT" queue-task f 2>/dev/null) &&
        "$STINT" wait "$id" --timeout 3 >/dev/null 2>&1
}
until_true 10 "a task runs" completes

# A right is taken away.
admin ACL SETUSER alice -fcall >/dev/null
until_true 10 "NOPERM is told" grep -q 'NOPERM' "$tmp/w.log"
said=$(grep NOPERM "$tmp/w.log" | head -n 1)
contains "with the command" "fcall" "$said"
exits "a client is told, too" 3 "$STINT" queue-task f
contains "with the command" "fcall" "$errout"
before=$(refusals NOPERM)
sleep 3
after=$(refusals NOPERM)
[ $((after - before)) -le 15 ] || fail "$((after - before)) tries in 3 s"
ok "and it is tried again without haste: $((after - before)) times in 3 s"
admin ACL SETUSER alice +fcall >/dev/null
until_true 10 "it goes on when the right is back" completes

# Another password; connections are cut, as by ACL LOAD or a failover.
admin ACL SETUSER alice resetpass '>canary-two' >/dev/null
admin CLIENT KILL USER alice >/dev/null
until_true 10 "WRONGPASS is told" grep -q 'WRONGPASS' "$tmp/w.log"
said=$(grep WRONGPASS "$tmp/w.log" | head -n 1)
contains "with the user" alice "$said"
contains "and the command" 'AUTH' "$said"
exits "a client is told, too" 3 "$STINT" queue-task f
contains "with the user" alice "$errout"
before=$(refusals WRONGPASS)
sleep 4
after=$(refusals WRONGPASS)
# Three connections, each once in a second at most.
[ $((after - before)) -le 12 ] || fail "$((after - before)) tries in 4 s"
[ $((after - before)) -ge 1 ] || fail "it does not try again"
ok "and it is tried again without haste: $((after - before)) times in 4 s"
echo canary-two >"$tmp/password.new"
mv "$tmp/password.new" "$tmp/password"
until_true 15 "the new password is read without a restart" completes

# The user is gone for a while.
admin ACL DELUSER alice >/dev/null
sleep 1
admin ACL SETUSER alice on '>canary-two' '~*' '&*' +@all >/dev/null
until_true 15 "it goes on when the user is back" completes

if grep -l canary "$tmp"/*.log "$tmp/errout"; then
    fail "a secret was written"
fi
ok "no secret is in any log"
fsck_clean
passed
