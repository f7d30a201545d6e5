#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Commands for workers. Their heartbeat is 3 s: what happens within a second was
# told to them.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<'END'
{"tasks": {
  "echo": {"exec": ["echo", "{args.0}"]},
  "nap": {"exec": ["sh", "-c", "echo $$ >\"$0.pid\"; exec sleep \"$1\"",
    "{args.0}", "{args.1}"]}}}
END

now_ms() {
    local t=${EPOCHREALTIME/[.,]/}
    echo $((t / 1000))
}

queue() {
    "$STINT" queue-task "$@" >/dev/null 2>>"$tmp/queue.log" ||
        fail "queueing $*"
}

nap() {
    queue nap --id "$1" --args "[\"$tmp/$1\", \"$2\"]" --timeout 900 \
        --group-name "${3:-main}"
}

# worker_is STATUS NAME
worker_is() {
    "$STINT" workers | grep -q "^$2\.[^ ]*  *$1 "
}

# both_have_beaten: since $restarted, both of them
both_have_beaten() {
    local age n=0
    for age in $("$STINT" workers --json |
        grep -o '"heartbeat_age_ms":[0-9]*' | grep -o '[0-9]*$'); do
        [ "$age" -lt $(($(now_ms) - restarted)) ] || return 1
        n=$((n + 1))
    done
    [ "$n" = 2 ]
}

# within MS WHAT COMMAND...: the command succeeds so long after $began
within() {
    local ms=$1 what=$2
    shift 2
    until_true 10 "$what" "$@"
    local took=$(($(now_ms) - began))
    [ "$took" -lt "$ms" ] || fail "$what: took $took ms, wanted $ms"
    ok "$what: within $ms ms ($took)"
}

worker one --heartbeat 3 --concurrency 2
one=$worker_pid
worker two --heartbeat 3 --concurrency 2 --group main --group side
two=$worker_pid
until_true 10 "one is there" worker_is ACTIVE one
until_true 10 "two is there" worker_is ACTIVE two
exits "workers" 0 "$STINT" workers
contains "its columns" "NAME" "$out"
contains "load" "LOAD" "$out"
exits "workers as JSON" 0 "$STINT" workers --json
contains "functions" '"functions":"echo,nap"' "$out"
contains "the name it was given" '"shown":"one"' "$out"
contains "load" '"load":' "$out"
contains "skew" '"skew_ms":' "$out"
[[ $(json_field rss_kb <"$tmp/out") -gt 500 ]] || fail "rss_kb: $out"
equal "the connection never broke" 0 "$(json_field reconnects <"$tmp/out")"
contains "it runs nothing" '"runs":[]' "$out"

# Refusals.
for verb in disable resume terminate kill; do
    exits "$verb whom?" 2 "$STINT" "$verb"
    contains "a hint" "--all" "$errout"
    exits "$verb somebody else" 1 "$STINT" "$verb" --worker nobody
    exits "$verb a group without workers" 1 "$STINT" "$verb" --group none
done
exits "no such word" 2 "$STINT" disable one

# disable and resume.
began=$(now_ms)
exits "disable one" 0 "$STINT" disable --worker one
contains "it is named" "one." "$out"
within 1000 "one is DISABLED" worker_is DISABLED one
for i in 1 2 3 4; do
    queue echo --id "e$i" --args '["x"]'
done
"$STINT" wait e1 e2 e3 e4 --timeout 10 >/dev/null 2>&1 ||
    fail "they did not run"
equal "the other one takes all" 4 "$("$STINT" list --json | grep -c '"two\.')"
exits "disable the whole group" 0 "$STINT" disable --group main --json
equal "both are told" 2 "$(grep -c . "$tmp/out")"
until_true 2 "two is DISABLED" worker_is DISABLED two
queue echo --id held --args '["x"]'
sleep 0.3
equal "nobody takes it" QUEUED "$(field status held)"
until_true 3 "why says so" sh -c \
    "\"\$0\" why held | grep -q 'All 2 workers of group main are disabled.'" \
    "$STINT"

# It is not forgotten with Redis or the connection.
sleep 1.2 # level 1: a killed Redis may lose its last second
kill -KILL "$(redis_pid)"
until_true 10 "Redis is back" has_status QUEUED held
restarted=$(now_ms)
until_true 15 "both workers are back" both_have_beaten
exits "they tell what they have been through" 0 "$STINT" workers --json
[[ $(json_field reconnects <"$tmp/out") -ge 1 ]] || fail "reconnects: $out"
[[ $(json_field calls <"$tmp/out") -gt 5 ]] || fail "calls: $out"
[[ $(json_field calls_us <"$tmp/out") -gt 100 ]] || fail "calls_us: $out"
equal "both are still DISABLED" 2 "$("$STINT" workers | grep -c DISABLED)"
sleep 0.3
equal "nobody takes it now" QUEUED "$(field status held)"
began=$(now_ms)
exits "resume one of them" 0 "$STINT" resume --group main --limit 1
equal "one is told" 1 "$(grep -c . "$tmp/out")"
within 1000 "it takes the task" has_status COMPLETED held
exits "resume all" 0 "$STINT" resume --all
until_true 3 "one takes tasks" worker_is ACTIVE one
until_true 3 "two, too" worker_is ACTIVE two

# terminate: it finishes what runs.
nap last 1.5 side
until_true 10 "last runs" test -s "$tmp/last.pid"
full=$("$STINT" workers | grep -o '^two\.[^ ]*')
began=$(now_ms)
exits "terminate two" 0 "$STINT" terminate --worker "$full"
equal "its whole name is fine" "$full" "$out"
within 1000 "two is TERMINATING" worker_is TERMINATING two
ended "$two" 10
equal "it exits with 0" 0 "$ended_status"
equal "what ran was finished" COMPLETED "$(field status last)"

# kill: it gives back what runs.
nap long 600
until_true 10 "long runs" test -s "$tmp/long.pid"
until_true 5 "what it runs is told" sh -c \
    '"$0" workers --json | grep -q "\"runs\":\[{\"id\":\"long\",\"function\":\"nap\",\"since\":\"20"' \
    "$STINT"
began=$(now_ms)
exits "kill one" 0 "$STINT" kill --worker one
within 1000 "long is killed" gone "$(cat "$tmp/long.pid")"
ended "$one" 10
equal "it exits with 0" 0 "$ended_status"
equal "its task is given back" QUEUED "$(field status long)"
equal "no failure is counted" 0 "$(field times_failed long)"
fsck_clean
passed
