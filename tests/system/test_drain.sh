#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# 50,000 tasks, two workers, one killed midway: all COMPLETED, nothing left.
. "$(dirname "$0")/lib.sh"
n=50000

cat >"$tmp/worker.json" <<END
{"concurrency": 8, "tasks": {"noop": {"module": "$NOOP_MODULE"}}}
END
seq $n | sed 's/.*/{"function":"noop","id":"n&","args":[&]}/' >"$tmp/tasks"
"$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids" 2>"$tmp/queue.log" ||
    fail "queueing"
equal "ids printed" $n "$(grep -c . "$tmp/ids")"
equal "ids in the order of the input" "n1 n2 n$n" \
    "$(sed -n "1p;2p;${n}p" "$tmp/ids" | tr '\n' ' ' | sed 's/ $//')"

worker one --drain
one=$worker_pid
worker two --drain
two=$worker_pid
some_are_done() {
    [ "$("$STINT" stats --json | json_field completed)" -ge 500 ]
} 2>/dev/null
until_true 30 "tasks are being completed" some_are_done
kill_hard "$one"
ok "one worker killed"
ended "$two" 90
equal "the other drained and left" 0 "$ended_status"

timeout 60 "$STINT" wait - <"$tmp/ids" >/dev/null 2>"$tmp/wait.log" ||
    fail "not all are COMPLETED"
ok "all are COMPLETED"
equal "COMPLETED in the list" $n "$(count_status COMPLETED)"
fsck_clean
passed
