#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A C function that crashes takes its worker with it: under --supervise the next
# worker is there at once, the task is FAILED after max_crashes, with evidence,
# and the other tasks are done.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<END
{"concurrency": 2,
 "tasks": {"crash": {"module": "$NOOP_MODULE"},
           "sleep_ms": {"module": "$NOOP_MODULE"},
           "noop": {"module": "$NOOP_MODULE"}}}
END
supervise() {
    "$STINT" worker --config "$tmp/worker.json" --name w1 --heartbeat 5 \
        --supervise >>"$tmp/w1.log" 2>&1 </dev/null &
    supervisor=$!
    pids+=("$supervisor")
}
supervise
is_there() {
    "$STINT" workers | grep -q '^w1.*ACTIVE'
}
until_true 10 "a supervised worker" is_there
"$STINT" queue-task crash --id poison >/dev/null
timeout 20 "$STINT" wait poison 2>/dev/null
equal "an ended wait of a FAILED task" 1 $?
status=$("$STINT" task-status poison --runs)
contains "it is FAILED" "FAILED" "$status"
contains "how often" "lost 3 times" "$status"
contains "the signal" "SIGABRT" "$status"
json=$("$STINT" task-status poison --runs --json)
contains "the last lines of stderr" "about to crash" "$json"
contains "the most memory it had" "max_rss_kb" "$json"
"$STINT" queue-task noop --id good >/dev/null
timeout 20 "$STINT" wait good || fail "the fleet is down"
ok "the fleet is up"

# max_crashes 1: the first is the last.
"$STINT" queue-task crash --id once --max-crashes 1 >/dev/null
timeout 20 "$STINT" wait once 2>/dev/null
contains "once is enough" "lost 1 time" "$("$STINT" task-status once)"

kill -TERM "$supervisor"
wait "$supervisor"
equal "the supervisor ends with its worker" 0 $?
equal "no worker is left" 0 "$("$STINT" workers | grep -c ACTIVE)"

# A new one, whose pauses are short again. Tasks beside one that
# crashes are not taken for the cause.
{
    seq 300 | sed 's/.*/{"function":"sleep_ms","args":[2]}/'
    echo '{"function":"crash","id":"among"}'
    seq 300 | sed 's/.*/{"function":"sleep_ms","args":[2]}/'
} >"$tmp/tasks"
supervise
"$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids"
timeout 60 "$STINT" wait - <"$tmp/ids" 2>"$tmp/others"
contains "one of 601" "1 of 601 ended otherwise" "$(cat "$tmp/others")"
equal "it is that one" FAILED "$(field status among)"
kill -TERM "$supervisor"
wait "$supervisor"
fsck_clean
passed
