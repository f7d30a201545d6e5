#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A task's children and a grandchild that left the group die with the task, at
# its timeout, and with a killed worker.
. "$(dirname "$0")/lib.sh"

# Lengths of sleep that nobody else uses mark our processes.
base=$((100000 + $$ % 100000))
cat >"$tmp/worker.json" <<'END'
{"tasks": {"spread": {"exec": ["sh", "-c",
  "sleep \"$0\" & setsid sleep \"$1\" & wait", "{args.0}", "{args.1}"]}}}
END
both_are_there() {
    mark_is_there "$base.1" && mark_is_there "$base.2"
}

"$STINT" queue-task spread --id timed --args "[\"$base.1\", \"$base.2\"]" \
    --timeout 1 >/dev/null 2>>"$tmp/queue.log" || fail "queueing"
worker one --concurrency 2
one=$worker_pid
until_true 10 "the children run" both_are_there
"$STINT" wait timed --timeout 20 >/dev/null 2>"$tmp/wait.log"
equal "the task timed out" TIMEOUT "$(field status timed)"
until_true 8 "nothing is left of its child" mark_is_gone "$base.1"
until_true 8 "nor of the one in its own session" mark_is_gone "$base.2"
kill -0 "$one" || fail "the worker ended"

base=$((base + 100000))
"$STINT" queue-task spread --id lost --args "[\"$base.1\", \"$base.2\"]" \
    --timeout 900 >/dev/null 2>>"$tmp/queue.log" || fail "queueing"
until_true 10 "the children run again" both_are_there
kill_hard "$one"
until_true 8 "a killed worker leaves no child" mark_is_gone "$base.1"
until_true 8 "nor one in its own session" mark_is_gone "$base.2"
passed
