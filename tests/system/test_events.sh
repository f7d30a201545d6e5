#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stint events: off unless told; what a task goes through; --follow shows it as it
# happens, also after a restart of Redis; traceparent is kept with the task.
. "$(dirname "$0")/lib.sh"
cat >"$tmp/worker.json" <<'END'
{"groups": ["main"], "tasks": {"yes": {"exec": ["true"]}}}
END
redis() {
    redis-server --port 0 --unixsocket "$tmp/s" --dir "$tmp" --appendonly yes \
        >>"$tmp/redis.log" 2>&1 </dev/null &
    redis=$!
    pids+=("$redis")
    until_true 5 "Redis runs" redis-cli -s "$tmp/s" ping
}
redis >/dev/null
export STINT_URL=unix://$tmp/s
exits "a task" 0 "$STINT" queue-task yes --id before
exits "no events" 0 "$STINT" events
equal "are kept" "" "$out"
exits "now they are" 0 "$STINT" group main --events 100
"$STINT" events --follow >"$tmp/followed" 2>"$tmp/follow.log" </dev/null &
follower=$!
pids+=("$follower")
sleep 0.6
trace=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
TRACEPARENT=$trace exits "one with a trace" 0 "$STINT" queue-task yes --id one
contains "is kept" "\"traceparent\":\"$trace\"" \
    "$(redis-cli -s "$tmp/s" HGET '{stint:main}:task' one)"
TRACEPARENT=rubbish exits "rubbish in the environment" 0 "$STINT" queue-task yes --id two
exits "but not as an option" 2 "$STINT" queue-task yes --traceparent rubbish
worker w --drain
ended "$worker_pid" 10
equal "the worker drained" 0 "$ended_status"
exits "of one task" 0 "$STINT" events --id one
equal "all it went through" "queue_task QUEUED yes
assign RUNNING yes
report COMPLETED yes" "$(echo "$out" | awk '{ print $2, $3, $4 }')"
exits "ends only" 0 "$STINT" events --ended --json
equal "three" 3 "$(echo "$out" | grep -c '"status":"COMPLETED"')"
cursor=$(echo "$out" | sed -n '1s/.*"cursor":"\([^"]*\)".*/\1/p')
exits "behind the first" 0 "$STINT" events --ended --after "$cursor" --limit 1
equal "is the next" 1 "$(echo "$out" | grep -c .)"
until_true 5 "they were followed" \
    eval '[ "$(grep -c "report  *COMPLETED" "$tmp/followed")" -eq 3 ]'
kill_hard "$redis"
sleep 0.3
redis >/dev/null
exits "after a restart" 0 "$STINT" queue-task yes --id three
until_true 10 "it goes on" grep -q 'queue_task .*three' "$tmp/followed"
equal "none twice" "" "$(sort "$tmp/followed" | uniq -d)"
kill -INT "$follower" 2>/dev/null
kill -TERM "$follower" 2>/dev/null
ended "$follower" 3
exits "off" 0 "$STINT" group main --events 0
equal "they are gone" 0 "$(redis-cli -s "$tmp/s" EXISTS '{stint:main}:events')"
exits "a cursor that is none" 2 "$STINT" events --after x-1
echo "passed: $checks checks"
