#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Many who ask for the same: Redis is asked once a second, an administrator's
# change is seen at once, and what is out of date is not given out.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/broker.sh"
cd "$tmp" || exit 1

redis-server --port 0 --unixsocket "$tmp/r.sock" --dir "$tmp" --save '' \
    --daemonize no >redis.log 2>&1 </dev/null &
pids+=("$!")
export STINT_URL=unix://$tmp/r.sock
until_true 10 "Redis is there" redis-cli -s r.sock ping
broker shared
"$STINT" queue-task --group-name g --id a f >/dev/null || fail "queue-task"

# ask N PATH: N times on one connection; the last head is in "heads"
ask() {
    local i urls=()
    for ((i = 0; i < $1; i++)); do
        urls+=(-o answer "$url$2")
    done
    curl -s -D heads --max-time 10 "${urls[@]}" </dev/null || fail "GET $2"
    equal "200, all of them" "$1" "$(grep -c '^HTTP/1.1 200' heads)"
}
scripts() {
    redis-cli -s r.sock INFO commandstats |
        sed -n 's/^cmdstat_fcall_ro:calls=\([0-9]*\),.*/\1/p
                s/^cmdstat_fcall:calls=\([0-9]*\),.*/\1/p' |
        awk '{ n += $1 } END { print n + 0 }'
}
ask 5 /api/v1/groups/g
equal "few are told what is there now" 0 "$(grep -ci '^age:' heads)"
before=$(scripts)
ask 1 /api/v1/groups/g
one=$(($(scripts) - before))
before=$(scripts)
ask 200 /api/v1/groups/g
many=$(($(scripts) - before))
[ "$many" -le $((one * 20 + 20)) ] || fail "$many scripts, one look has $one"
ok "200 requests: $many scripts, one look has $one"
[ "$(grep -ci '^age: 1' heads)" -ge 100 ] || fail "no Age: $(tail -n 20 heads)"
ok "Age tells"
contains "it is not paused" '"paused":false' "$(cat answer)"

# In the same second: what was kept is from before the change.
curl -s -X POST -H 'Content-Type: application/json' -d '{}' -o answer \
    "$url/api/v1/groups/g/pause" || fail "pause"
ask 1 /api/v1/groups/g
contains "a change is seen at once" '"paused":true' "$(cat answer)"

# What others change, a second later at most.
ask 50 /api/v1/groups/g
"$STINT" queue-task --group-name g --id b f >/dev/null || fail "queue-task"
sleep 1.1
ask 1 /api/v1/groups/g
contains "and that of others soon" '"queued":2' "$(cat answer)"

# What went wrong is not kept.
code=$(curl -s -o answer -w '%{http_code}' "$url/api/v1/tasks?limit=x")
equal "a wrong one" 400 "$code"
ask 1 "/api/v1/tasks?limit=5"
passed
