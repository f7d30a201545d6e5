#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every reason there is why a task does not run.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<'END'
{"tasks": {
  "nap": {"exec": ["sleep", "{args.0}"]},
  "stay": {"exec": ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]},
  "fail": {"exec": ["sh", "-c", "echo broken >&2; exit 3"]}}}
END

queue() {
    "$STINT" queue-task "$@" >/dev/null 2>>"$tmp/queue.log" ||
        fail "queueing $*"
}

# why WHAT PART ID
why() {
    contains "$1" "$2" "$("$STINT" why "$3" 2>&1)"
}

# says PART ID
says() {
    "$STINT" why "$2" | grep -qF "$1"
}

# Before there is a worker.
queue nap --id due --args '["0"]'
why "no worker" "QUEUED: No live worker serves group main." due
queue nap --id later --start-time +100s
why "not due" "It is due in 9" later
queue nap --id never --start-time +100s --stop-time +50s
why "stop_time comes first" "Its stop_time comes first: it will expire in 4" \
    never
queue nap --id off --disabled
why "disabled" "It is disabled until somebody enables it." off
queue nap --id child --depends-on off,later
why "waits for two" "It waits for main/" child
why "their statuses" "(QUEUED)" child
for i in 1 2 3 4 5 6; do
    queue nap --id "p$i" --start-time +100s
done
queue nap --id many --depends-on p1,p2,p3,p4,p5,p6 --depends-on off
why "waits for many" "… and 2 more." many
exits "why as JSON" 0 "$STINT" why off --json
equal "nothing is ahead of it" "null" "$(json_field ahead <<<"$out")"
equal "its status" QUEUED "$(json_field status <<<"$out")"
exits "no such task" 1 "$STINT" why nobody
contains "it is named" nobody "$errout"
exits "no id" 2 "$STINT" why

# With a worker.
worker one --concurrency 1 --prefetch 1
"$STINT" wait due --timeout 10 >/dev/null 2>&1 || fail "due did not run"
why "it is COMPLETED" "COMPLETED: It ended COMPLETED" due
queue strange --id strange
why "nobody knows the function" \
    "No live worker of group main knows function strange." strange
sleep 0.3
why "nor when it is parked" \
    "No live worker of group main knows function strange." strange
queue fail --id retried --retry-failed 3 --retry-delay 60
until_true 10 "it fails once" \
    says "Retry 1 of 3" retried
why "retries" "Retry 1 of 3 is due in 5" retried
queue nap --id repeated --repeats 2 --period 60 --args '["0"]'
until_true 10 "it runs once" \
    says "Its next run is due in 5" repeated
queue fail --id failed
"$STINT" wait failed --timeout 10 >/dev/null 2>&1
why "the error" "exit status 3: broken" failed
queue nap --id poor --depends-on failed
"$STINT" wait poor --timeout 10 >/dev/null 2>&1
why "of a parent" "main/failed, which ended FAILED" poor
queue nap --id expired --start-time -60s --stop-time -30s
until_true 10 "it expires" has_status EXPIRED expired
why "too late" "stop_time passed before it could start." expired

# Busy: one runs, one is in hand, three are ahead of the last.
queue stay --id running
until_true 10 "it runs" has_status RUNNING running
why "running" "RUNNING: It has been running on one." running
for i in 1 2 3 4 5; do
    queue nap --id "q$i" --args '["0"]'
done
until_true 5 "one is in hand" has_status ASSIGNED q1
why "in hand" "ASSIGNED: Worker one." q1
why "ahead" "3 tasks are ahead of it" q5
why "next" "It is due and the next in line." q2
exits "as JSON" 0 "$STINT" why q5 --json
equal "so many" 3 "$(json_field ahead <<<"$out")"
until_true 3 "the slots are taken" \
    says "The only slot of its worker is taken." q5
"$STINT" stop-task running >/dev/null || fail "stop-task"
why "stopping" "It is being stopped." running
"$STINT" disable --all >/dev/null || fail "disable"
until_true 3 "all disabled" \
    says "The only worker of group main is disabled." q5
kill_hard "$worker_pid"
until_true 10 "the worker is dead" \
    says "No live worker serves group main." q5
why "of the one that ran" "no sign of life" running
fsck_clean
passed
