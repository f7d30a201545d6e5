#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tasks do not start before start_time nor after stop_time.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<'END'
{"tasks": {"hello": {"exec": ["echo", "{args}"]},
           "nap": {"exec": ["sleep", "{args.0}"]}}}
END
queue() {
    "$STINT" queue-task "$@" >/dev/null 2>>"$tmp/queue.log" ||
        fail "queueing $*"
}

queue hello --id past --stop-time -60s
queue hello --id unserved --stop-time +2s
queue hello --id future --start-time +3s
queued=$(date +%s%N)
worker one --group other # serves nobody's tasks, but reaps
until_true 15 "stop_time in the past: EXPIRED" has_status EXPIRED past
until_true 15 "nobody ran it in time: EXPIRED" has_status EXPIRED unserved
kill -TERM "$worker_pid"
ended "$worker_pid" 10
equal "future still waits or is due" QUEUED "$(field status future)"

worker two
"$STINT" wait future --timeout 20 >/dev/null 2>"$tmp/wait.log" ||
    fail "future is not COMPLETED"
took=$((($(date +%s%N) - queued) / 1000000))
[ "$took" -ge 2900 ] || fail "started after $took ms instead of 3 s"
ok "start_time is kept"
equal "past never ran" 0 "$(field times_run past)"

exits "wait for an expired task" 1 "$STINT" wait past --timeout 5
# A running task is never aborted by its stop_time.
queue nap --id running --args '["3"]' --stop-time +2s
"$STINT" wait running --timeout 20 >/dev/null 2>"$tmp/wait.log" ||
    fail "the run was aborted"
ok "stop_time does not abort a run"
# Lateness of a scheduled task on an idle worker.
queue hello --id soon --start-time +1s
"$STINT" wait soon --timeout 10 >/dev/null 2>"$tmp/wait.log" ||
    fail "soon is not COMPLETED"
ok "an idle worker wakes for a scheduled task"
fsck_clean
passed
