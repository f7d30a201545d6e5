#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One task wakes one worker of many, and that takes as many calls as it must; a
# hundred tasks wake no herd; a busy worker's calls are few.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/calls.sh"

completed() { # NUMBER: so many are
    [ "$(ask_redis hget '{stint:main}:ended' COMPLETED)" = "$1" ]
}

idle_workers 30 4

# One task.
for n in 1 2 3; do
    calls_begin
    "$STINT" queue-task noop >/dev/null || fail "queueing"
    until_true 10 "task $n is done" completed $n
    sleep 0.5
    calls_end
    equal "queue_task" 1 "$(calls queue_task)"
    equal "assign" 1 "$(calls assign)"
    equal "report" 1 "$(calls report)"
    equal "the worker that was woken waits again" 1 "$(calls BZPOPMIN)"
    equal "heartbeat" 0 "$(calls heartbeat)"
    equal "the client names the group" 1 "$(calls fleet_heartbeat)"
    equal "the client asks which library there is" 1 "$(calls fleet_list)"
    # Four slots were free: one asked for what there was, one task.
    equal "one worker had to do with it" 1 "$(callers)"
done

# A hundred at once: a call that brings tasks is followed by at most one that
# finds none, by its own worker or by one it woke.
calls_begin
seq 100 | sed 's/.*/{"function":"noop"}/' >"$tmp/tasks"
"$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids" || fail "queueing"
until_true 10 "100 tasks are done" completed 103
sleep 0.5
calls_end
echo "assign $(calls assign), report $(calls report)," \
    "BZPOPMIN $(calls BZPOPMIN), workers $(callers)"
equal "100 tasks: queue_task" 1 "$(calls queue_task)"
equal "heartbeat" 0 "$(calls heartbeat)"
[ "$(calls assign)" -le 200 ] || fail "$(calls assign) assigns"
[ "$(calls report)" -le 100 ] || fail "$(calls report) reports"
# Who waits again has popped a marker, and has looked.
[ "$(calls BZPOPMIN)" -le "$(calls assign)" ] ||
    fail "$(calls BZPOPMIN) were woken, $(calls assign) looked"
ok "no more assigns, reports and wake-ups than tasks account for"
for pid in "${pids[@]}"; do
    kill_hard "$pid"
done

# Many tasks: calls carry many.
scripts() {
    ask_redis info commandstats | tr -d '\r' |
        sed -n 's/^cmdstat_fcall:calls=\([0-9]*\).*/\1/p'
}
n=20000
seq $n | sed 's/.*/{"function":"noop","args":[&]}/' >"$tmp/tasks"
calls_begin
"$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids" || fail "queueing"
calls_end
equal "$n tasks: queue_task" $((n / 250)) "$(calls queue_task)"
equal "the client names the group" 1 "$(calls fleet_heartbeat)"
ask_redis config resetstat >/dev/null

# 1,500 tasks of three groups, mixed: as many calls as if they were not
seq 1500 | awk '{ printf "{\"function\":\"noop\",\"group_name\":\"m%d\"}\n", \
    $1 % 3 }' >"$tmp/mixed"
calls_begin
"$STINT" queue-task --file "$tmp/mixed" >"$tmp/ids" || fail "queueing"
calls_end
equal "1,500 tasks of three groups: queue_task" 6 "$(calls queue_task)"
ask_redis config resetstat >/dev/null
worker busy --concurrency 64 --heartbeat 600
until_true 60 "all are done" completed $((103 + n))
sleep 0.5
[ "$(scripts)" -le $((n / 20)) ] || fail "$(scripts) calls for $n tasks"
ok "$(scripts) script calls for $n tasks, 0.05 a task at most"
passed
