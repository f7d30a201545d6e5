#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stop-task, requeue-task, enable-task, disable-task, delete-task. The worker's
# heartbeat is 3 s: what happens within a second was told to it.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<'END'
{"tasks": {
  "echo": {"exec": ["echo", "{args.0}"]},
  "fail": {"exec": ["false"]},
  "family": {"exec": ["sh", "-c",
    "sleep 600 & echo $! >\"$0.child\"; echo $$ >\"$0.pid\"; wait",
    "{args.0}"]},
  "stubborn": {"exec": ["sh", "-c",
    "trap '' TERM; echo $$ >\"$0.pid\"; while :; do sleep 0.1; done",
    "{args.0}"]}}}
END

now_ms() {
    local t=${EPOCHREALTIME/[.,]/}
    echo $((t / 1000))
}

queue() {
    "$STINT" queue-task "$@" >/dev/null 2>>"$tmp/queue.log" ||
        fail "queueing $*"
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

worker one --heartbeat 3 --grace 1 --concurrency 4

# A whole process group dies.
queue family --id family --args "[\"$tmp/family\"]"
until_true 10 "family runs" test -s "$tmp/family.pid"
exits "stop a running task" 0 "$STINT" stop-task family
began=$(now_ms)
equal "it is told" "family STOPPING" "$out"
within 1000 "family is STOPPED" has_status STOPPED family
within 1000 "its process is gone" gone "$(cat "$tmp/family.pid")"
within 1000 "its child, too" gone "$(cat "$tmp/family.child")"
exits "its runs" 0 "$STINT" task-status family --runs --json
equal "one run" 1 "$(grep -o '"run_id"' <<<"$out" | grep -c .)"
contains "STOPPED" '"status":"STOPPED","worker":"one.' "$out"
contains "by SIGTERM" '"evidence":{"signal":15' "$out"
exits "stop it again" 1 "$STINT" stop-task family
contains "it says why" "it is STOPPED" "$errout"

# One that ignores SIGTERM is killed after the grace, and not tried again.
queue stubborn --id stubborn --args "[\"$tmp/stubborn\"]" --retry-failed 3 \
    --period 0
until_true 10 "stubborn runs" test -s "$tmp/stubborn.pid"
began=$(now_ms)
exits "stop it" 0 "$STINT" stop-task stubborn --json
equal "told as JSON" '{"id":"stubborn","status":"STOPPING","error":null}' "$out"
equal "it is being stopped" "being stopped" "$(field reason stubborn)"
exits "stopping it twice is fine" 0 "$STINT" stop-task stubborn
sleep 0.3
equal "it ignores SIGTERM" RUNNING "$(field status stubborn)"
within 2500 "stubborn is STOPPED" has_status STOPPED stubborn
until_true 2 "its process is gone" gone "$(cat "$tmp/stubborn.pid")"
contains "by SIGKILL" '"signal":9' \
    "$("$STINT" task-status stubborn --runs --json)"
sleep 0.2
equal "it is not tried again" STOPPED "$(field status stubborn)"

# requeue-task.
queue echo --id back --args '["hi"]' --repeats 2 --period 0
"$STINT" wait back --timeout 10 >/dev/null 2>&1 || fail "back did not run"
equal "it ran twice" 2 "$(field times_run back)"
exits "requeue it" 0 "$STINT" requeue-task back
equal "the answer" "back QUEUED" "$out"
"$STINT" wait back --timeout 10 >/dev/null 2>&1 || fail "back did not run"
equal "its runs are counted on" 3 "$(field times_run back)"
exits "requeue it with --reset" 0 "$STINT" requeue-task back --reset
"$STINT" wait back --timeout 10 >/dev/null 2>&1 || fail "back did not run"
equal "or anew" 2 "$(field times_run back)"
exits "its runs" 0 "$STINT" task-status back --runs --json
equal "all five are there" 5 "$(grep -o '"run_id"' <<<"$out" | grep -c .)"
queue echo --id later --start-time +1h
exits "what is QUEUED cannot be" 1 "$STINT" requeue-task later
contains "it says why" QUEUED "$errout"
queue fail --id bad
"$STINT" wait bad --timeout 10 >/dev/null 2>&1 && fail "bad COMPLETED"
exits "requeue two and one that is not there" 1 "$STINT" requeue-task bad \
    nobody family --group-name main
equal "the others are" "bad QUEUED
family QUEUED" "$out"
contains "it is named" "nobody: no such task" "$errout"
until_true 10 "the stopped one runs again" has_status RUNNING family
exits "--group is as good" 0 "$STINT" stop-task family --group main

# disable-task and enable-task.
queue echo --id idle --start-time +2s --args '["hi"]'
exits "disable a task" 0 "$STINT" disable-task idle later
equal "the answer" "idle DISABLED
later DISABLED" "$out"
exits "again" 0 "$STINT" disable-task idle
equal "reason" disabled "$(field reason idle)"
queue echo --id held --disabled --args '["hi"]'
sleep 0.3
equal "it does not run" QUEUED "$(field status held)"
exits "enable it" 0 "$STINT" enable-task held
"$STINT" wait held --timeout 10 >/dev/null 2>&1 || fail "held did not run"
ok "it runs then"
exits "what has ended cannot be" 1 "$STINT" disable-task held
exits "nor" 1 "$STINT" enable-task held

# delete-task.
exits "delete an ended task" 0 "$STINT" delete-task held
equal "the answer" "held DELETED" "$out"
exits "it is gone" 1 "$STINT" task-status held
exits "its id is free" 0 "$STINT" queue-task echo --id held --start-time +1h
exits "a queued one" 0 "$STINT" delete-task held idle
exits "delete it again" 1 "$STINT" delete-task held
queue family --id runs --args "[\"$tmp/runs\"]"
until_true 10 "runs runs" test -s "$tmp/runs.pid"
exits "what runs cannot be" 1 "$STINT" delete-task runs
contains "it says why" "stop it first" "$errout"
exits "stop it" 0 "$STINT" stop-task runs
for command in stop-task requeue-task enable-task disable-task delete-task; do
    exits "$command without an ID" 2 "$STINT" "$command"
    exits "$command --help" 0 "$STINT" "$command" --help
done
until_true 5 "it is STOPPED" has_status STOPPED runs

# The worker dies while it stops a task: that was one run, it is LOST, and the
# task is STOPPED all the same.
"$STINT" terminate --worker one >/dev/null || fail "terminate"
ended "$worker_pid" 10
worker two --group side
two=$worker_pid
worker three --group side
queue stubborn --id lost --group-name side --args "[\"$tmp/lost\"]"
until_true 10 "it runs" test -s "$tmp/lost.pid"
holder=$two
[[ $(field worker lost) == two.* ]] || holder=$worker_pid
exits "stop it" 0 "$STINT" stop-task lost
kill_hard "$holder"
until_true 10 "it is STOPPED" has_status STOPPED lost
exits "its runs" 0 "$STINT" task-status lost --runs --json
equal "one run" 1 "$(grep -o '"run_id"' <<<"$out" | grep -c .)"
contains "which is LOST" '"status":"LOST"' "$out"
fsck_clean
passed
