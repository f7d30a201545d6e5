#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Redis is stopped, and then killed, while workers run: all tasks finish.
. "$(dirname "$0")/lib.sh"
n=1000

cat >"$tmp/worker.json" <<END
{"concurrency": 8, "tasks": {"sleep_ms": {"module": "$NOOP_MODULE"}}}
END
seq $n | sed 's/.*/{"function":"sleep_ms","id":"s&","args":[50]}/' \
    >"$tmp/tasks"
"$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids" 2>"$tmp/queue.log" ||
    fail "queueing"
# Level 1: a killed Redis may lose its last second; the tasks are older.
sleep 2
worker one
one=$worker_pid
worker two
two=$worker_pid

# at_least N: that many are COMPLETED
at_least() {
    [ "$("$STINT" stats --json 2>/dev/null | json_field completed)" -ge "$1" ]
} 2>/dev/null
until_true 20 "some are done" at_least 50

"$STINT" embedded stop >/dev/null 2>&1 || fail "embedded stop"
sleep 1
before=$("$STINT" stats --json 2>"$tmp/stats.log" | json_field completed)
[ "${before:-0}" -ge 50 ] || fail "the stopped Redis forgot: $before"
ok "a stopped Redis comes back with its data"
until_true 30 "and the workers go on" at_least $((before + 50))

pid=$(redis_pid)
[ -n "$pid" ] || fail "no pid of Redis"
kill -KILL "$pid"
until_true 5 "Redis is killed" gone "$pid"
sleep 1
"$STINT" stats >/dev/null 2>>"$tmp/stats.log" # starts it again
until_true 60 "all finish" at_least $n
timeout 60 "$STINT" wait - <"$tmp/ids" >/dev/null 2>"$tmp/wait.log" ||
    fail "not all are COMPLETED"
ok "all are COMPLETED"
equal "COMPLETED in the list" $n "$(count_status COMPLETED)"
kill -0 "$one" || fail "worker one ended"
kill -0 "$two" || fail "worker two ended"
ok "both workers live"
fsck_clean
passed
