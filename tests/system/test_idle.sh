#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Idle workers wait, they do not poll: between two heartbeats not one command
# goes to Redis, and a task that is due later costs one worker one look.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/calls.sh"

idle_workers 30 4
calls_begin
sleep 3
calls_end
cat "$tmp/calls"
equal "30 idle workers, 3 s: no command" 0 "$(grep -c . "$tmp/calls")"

# Its marker is popped by one worker, which keeps the time.
calls_begin
"$STINT" queue-task noop --start-time +2s >/dev/null || fail "queueing"
sleep 1
is_done() {
    [ "$(ask_redis hget '{stint:main}:ended' COMPLETED)" = 1 ]
}
until_true 10 "a scheduled task is done" is_done
sleep 1
calls_end
equal "queue_task" 1 "$(calls queue_task)"
equal "assign, at its time only" 1 "$(calls assign)"
equal "report" 1 "$(calls report)"
equal "one worker waits again, once" 1 "$(calls BZPOPMIN)"
equal "no heartbeat" 0 "$(calls heartbeat)"
equal "no look by the reaper" 0 "$(calls wake)"
equal "one worker had to do with it" 1 "$(callers)"
passed
