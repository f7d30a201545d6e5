#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SIGHUP: another configuration for a worker that runs. Nothing is lost or run
# twice, however often it comes; a broken file changes nothing.
. "$(dirname "$0")/lib.sh"

CHILD_HELPER=${CHILD_HELPER:-$(dirname "$NOOP_MODULE")/child_helper}
module="{\"module\": \"$NOOP_MODULE\"}"

# config CONCURRENCY GROUPS TASKS...: the tasks as members of the object
config() {
    local concurrency=$1 groups=$2
    shift 2
    local IFS=, tasks
    tasks="$*"
    cat >"$tmp/next.json" <<END
{"concurrency": $concurrency, "groups": [$groups], "tasks": {$tasks}}
END
    mv "$tmp/next.json" "$tmp/worker.json"
}

# child STARTS: "pid" and "echo" in a process that counts its starts there
child() {
    local c="{\"child\": [\"$CHILD_HELPER\", \"good\", \"$tmp/$1\"], \"processes\": ${2:-1}}"
    echo "\"pid\": $c, \"echo\": $c"
}

queue() {
    "$STINT" queue-task "$@" >/dev/null 2>>"$tmp/queue.log" || fail "queueing"
}

reloads() {
    grep -c "event=reload" "$tmp/$1.log"
}

# reloaded NAME PID: it is told, and has it done
reloaded() {
    local before
    before=$(reloads "$1")
    kill -HUP "$2"
    until_true 10 "$1 has heard" more_reloads "$1" "$before"
}
more_reloads() {
    [ "$(reloads "$1")" -gt "$2" ]
}

result() {
    "$STINT" task-status "$1" --output --json | tr -d '\n ' |
        grep -o '"result":[^,}]*' | sed 's/"result"://'
}

noop="\"noop\": $module, \"sleep_ms\": $module"
nap="\"nap\": {\"exec\": [\"sleep\", \"{args.0}\"], \"timeout\": 60}"
one='"one": {"exec": ["echo", "one"]}'

# ---- Functions, one by one
config 2 '"main"' "$one" "$nap"
worker w
w=$worker_pid
queue nap --id long --args '["3"]'
until_true 10 "long runs" has_status RUNNING long
queue two --id two
queue noop --id n1
config 3 '"main"' '"two": {"exec": ["echo", "two"]}' "$noop"
reloaded w "$w"
contains "it says what it has" "level=info event=reload config=" \
    "$(tail -n 3 "$tmp/w.log")"
contains "all of it" "concurrency=3 functions=3" "$(grep reload "$tmp/w.log")"
until_true 5 "a function that was added runs" has_status COMPLETED two
until_true 5 "a C function, too" has_status COMPLETED n1
queue one --id one
contains "the fleet knows" '"functions":"two,noop,sleep_ms"' \
    "$("$STINT" workers --json)"
sleep 0.5
equal "what was removed stays QUEUED" QUEUED "$(field status one)"
equal "what runs goes on" RUNNING "$(field status long)"

# ---- A file that cannot be used
for broken in '{"tasks": {' '{"tasks": {}}' '{"tasks": {"x": {"exec": []}}}' \
    '{"taks": {}}' '{"groups": ["a b"], "tasks": {"one": {"exec": ["echo"]}}}' \
    "{\"tasks\": {\"noop\": {\"module\": \"$NOOP_MODULE\", \"isolation\": \"process\"}}}" \
    '{"tasks": {"one": {"child": ["no-such-thing"], "nice": 99}}}'; do
    echo "$broken" >"$tmp/worker.json"
    reloaded w "$w"
    contains "refused: $broken" "level=error event=reload" \
        "$(tail -n 1 "$tmp/w.log")"
    contains "and the old one goes on" "the old configuration goes on" \
        "$(tail -n 1 "$tmp/w.log")"
done
queue two --id two-more
until_true 5 "it does" has_status COMPLETED two-more
until_true 10 "what ran is finished" has_status COMPLETED long

# ---- Concurrency: up, down
config 12 '"main"' "$noop" "$one"
reloaded w "$w"
until_true 5 "what waited for its function runs" has_status COMPLETED one
for i in $(seq 24); do
    queue sleep_ms --id "s$i" --args '[1500]'
done
running() {
    [ "$("$STINT" stats --json | json_field running)" = "$1" ]
}
count_is_completed() {
    [ "$("$STINT" list --status COMPLETED --limit 0 --json |
        grep -c "\"id\":\"$2")" = "$1" ]
}
until_true 5 "12 at once" running 12
config 2 '"main"' "$noop"
reloaded w "$w"
until_true 10 "now 2 at once" running 2
config 24 '"main"' "$noop"
reloaded w "$w"
until_true 10 "and the rest" count_is_completed 24 's[0-9]'

# ---- Groups
config 4 '"side", "other"' "$noop"
reloaded w "$w"
queue noop --id side --group-name side
until_true 5 "a group that was added is served" has_status COMPLETED side
queue noop --id alone
sleep 0.5
equal "one that was removed is not" QUEUED "$(field status alone)"
has_left() {
    [ "$("$STINT" stats --json | grep '"group":"main"' |
        json_field workers)" = 0 ]
}
until_true 5 "Redis knows that it has left it" has_left
contains "and why tells" "worker" "$("$STINT" why alone)"
config 4 '"main"' "$noop"
reloaded w "$w"
until_true 5 "until it comes back" has_status COMPLETED alone
kill "$w"
ended "$w" 10
equal "it leaves as ever" 0 "$ended_status"

# ---- Processes that stay
config 2 '"main"' "$(child starts-1)" "$noop"
worker c --supervise
c=$worker_pid
queue pid --id p1
until_true 10 "a child answers" has_status COMPLETED p1
reloaded c "$c"
queue pid --id p2
until_true 10 "its successor, too" has_status COMPLETED p2
[ "$(result p1)" != "$(result p2)" ] || fail "it is the same process"
ok "which is another process"
until_true 10 "the first has gone" gone "$(result p1)"
config 2 '"main"' "$(child starts-2)" "$noop"
kill -KILL "$("$STINT" workers --json | grep '"shown":"c"' | json_field pid)"
queue pid --id p3
until_true 20 "the next worker reads the file, too" has_status COMPLETED p3
test -s "$tmp/starts-2" || fail "it runs the old child"
kill "$c"
ended "$c" 20

# ---- Under load: 5,000 tasks, a reload each 100 ms
load=$tmp/load.jsonl
for i in $(seq 5000); do
    f=noop
    [ $((i % 4)) = 0 ] && f=echo
    [ $((i % 50)) = 1 ] && f=one
    a='[]'
    [ "$f" = echo ] && a="[$i]"
    echo "{\"function\":\"$f\",\"id\":\"l$i\",\"args\":$a,\"group_name\":\"load\"}"
done >"$load"
"$STINT" queue-task --file "$load" >/dev/null || fail "queueing the load"
config 4 '"load"' "$(child starts-3 2)" "$noop" "$one"
cp "$tmp/worker.json" "$tmp/a.json"
config 7 '"load", "side"' "$(child starts-4 3)" "$one" "$noop"
cp "$tmp/worker.json" "$tmp/b.json"
worker l --drain --prefetch 5
l=$worker_pid
until_true 20 "it has begun" grep -q event=worker "$tmp/l.log"
n=0
while ! gone "$l" && [ $n -lt 300 ]; do
    if [ $((n % 2)) = 0 ]; then cp "$tmp/a.json" "$tmp/new"; else cp "$tmp/b.json" "$tmp/new"; fi
    mv "$tmp/new" "$tmp/worker.json"
    kill -HUP "$l" 2>/dev/null
    n=$((n + 1))
    sleep 0.1
done
ended "$l" 60
equal "the load is drained" 0 "$ended_status"
[ "$(reloads l)" -ge 5 ] || fail "there were $(reloads l) reloads"
ok "over $(reloads l) reloads"
contains "each ran once" "event=drain runs=5000 failed=0 unknown=0" \
    "$(cat "$tmp/l.log")"
"$STINT" stats --json >"$tmp/stats"
equal "and is COMPLETED" 5000 \
    "$(grep '"group":"load"' "$tmp/stats" | json_field completed)"
until_true 5 "none of its processes stays" mark_is_gone "$tmp/starts-3"
until_true 5 "of either kind" mark_is_gone "$tmp/starts-4"
fsck_clean
passed
