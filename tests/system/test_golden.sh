#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Data and calls of every released version (tests/golden): today's rules answer
# the calls as they did then, find the data in order, and a worker of today
# finishes every task.
# shellcheck disable=SC2317 # functions are called by until_true
. "$(dirname "$0")/lib.sh"

golden=$here/../golden
export STINT_URL=unix://$tmp/redis.sock
redis-server --port 0 --unixsocket "$tmp/redis.sock" --save "" --dir "$tmp" \
    >>"$tmp/redis.log" 2>&1 </dev/null &
pids+=("$!")
r() {
    redis-cli -s "$tmp/redis.sock" "$@" 2>&1
}
is_there() {
    [ "$(r ping)" = PONG ]
}
until_true 10 "Redis is there" is_there
# The tasks were made in the past, or a moment ago. Each group is counted at one
# instant: what is tried again leaves no gap between QUEUED and RUNNING.
until_now() {
    "$STINT" stats --json >"$tmp/counts" &&
        ! grep -qE '"(queued|assigned|running)":[1-9]' "$tmp/counts"
}
gold() {
    python3 "$golden/golden.py" "$tmp/redis.sock" "$@" >"$tmp/gold.log" 2>&1 ||
        fail "$* $(tail -n 30 "$tmp/gold.log")"
}
{
    echo '{"concurrency": 4, "tasks": {'
    for name in ok talk slow hold nosuch fast; do
        echo "\"$name\": {\"exec\": [\"true\"]},"
    done
    echo '"bad": {"exec": ["false"]}}}'
} >"$tmp/worker.json"

# After all that a task may end otherwise only by its own doing.
ends_as() { # ID THEN
    case "$1 $2" in
    *" QUEUED" | *" RUNNING" | *" ASSIGNED")
        case "$1" in
        retried | requeued) echo FAILED ;;
        *) echo COMPLETED ;;
        esac ;;
    *) echo "$2" ;;
    esac
}

n_versions=0
for dir in "$golden"/[0-9]*/; do
    dir=${dir%/}
    version=${dir##*/}
    n_versions=$((n_versions + 1))
    r FLUSHALL >/dev/null
    "$STINT" stats >/dev/null || fail "loading the library"
    gold load "$dir"
    fsck_clean
    gold check "$dir"
    ok "$version: $(tail -n 1 "$tmp/gold.log")"
    # Of changes of parts only the first calls are among them.
    equal "$version: and leave the data in order" "" "$("$STINT" fsck |
        grep -v -e '^checked ' -e 'a change of the parts has not ended')"
    gold load "$dir"
    while read -r id was; do
        [ "$(field status "$id")" = "$was" ] || fail "$version: $id is not $was"
    done <"$dir/states"
    ok "$version: every task is in the state it was in"
    "$STINT" enable-task disabled >/dev/null || fail "enabling"
    worker "w$version" --group main --group wide --group far --group pre
    until_true 90 "$version: nothing is live any more" until_now
    for id in hold-1 started; do
        until_true 20 "$version: what ran runs again" has_status COMPLETED "$id"
    done
    while read -r id was; do
        now=$(field status "$id")
        [ "$now" = "$(ends_as "$id" "$was")" ] ||
            fail "$version: $id was $was, and is $now"
    done <"$dir/states"
    ok "$version: every task has ended as it should"
    contains "$version: payloads are as they were" '{"ü":[1000.0,"\u0001",null]}' \
        "$("$STINT" task-status completed --json)"
    kill -TERM "$worker_pid"
    ended "$worker_pid" 20
    fsck_clean
done
[ "$n_versions" -ge 1 ] || fail "no golden data"
passed
