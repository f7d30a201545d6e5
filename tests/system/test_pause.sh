#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A worker is paused past its lease: its task runs elsewhere; when it wakes, its
# late report changes nothing and the program of its old run is killed.
. "$(dirname "$0")/lib.sh"

# The first run of a task waits until it is killed, or ended by $1.end.
cat >"$tmp/worker.json" <<'END'
{"tasks": {
 "long": {"exec": ["sh", "-c",
   "if mkdir \"$0\" 2>/dev/null; then echo $$ >\"$0/pid\"; exec sleep 600; fi; echo second",
   "{args.0}"]},
 "late": {"exec": ["sh", "-c",
   "if mkdir \"$0\" 2>/dev/null; then echo $$ >\"$0/pid\"; while [ ! -e \"$0/end\" ]; do sleep 0.05; done; echo first; exit 7; fi; echo second",
   "{args.0}"]}}}
END
"$STINT" queue-task long --id long --args "[\"$tmp/a\"]" --timeout 900 \
    >/dev/null 2>>"$tmp/queue.log" || fail "queueing"
"$STINT" queue-task late --id late --args "[\"$tmp/b\"]" --timeout 900 \
    >/dev/null 2>>"$tmp/queue.log" || fail "queueing"
worker first --concurrency 2
first=$worker_pid
until_true 10 "the tasks run" test -s "$tmp/a/pid" -a -s "$tmp/b/pid"
child=$(cat "$tmp/a/pid")
kill -STOP "$first"
worker second --concurrency 2
"$STINT" wait long late --timeout 30 >/dev/null 2>"$tmp/wait.log" ||
    fail "not COMPLETED elsewhere"
ok "both ran elsewhere"
before=$("$STINT" task-status late --runs --json)

# The late program ends while nobody listens; the report would say FAILED.
touch "$tmp/b/end"
until_true 5 "the late program ends" gone "$(cat "$tmp/b/pid")"
kill -CONT "$first"
until_true 15 "the program of the old run is killed" gone "$child"
sleep 2 # room for wrong reports
equal "the late report changed nothing" "$before" \
    "$("$STINT" task-status late --runs --json)"
for id in long late; do
    equal "$id: COMPLETED" COMPLETED "$(field status $id)"
    equal "$id: one success" 1 "$(field times_run $id)"
    equal "$id: no failure" 0 "$(field times_failed $id)"
    contains "$id: output of the second run" second \
        "$("$STINT" task-status $id --output --json)"
    contains "$id: the old run is LOST" LOST \
        "$("$STINT" task-status $id --runs --json)"
done
kill -0 "$first" || fail "the first worker ended"
ok "the first worker lives"
"$STINT" queue-task late --id again --args "[\"$tmp/b\"]" >/dev/null \
    2>>"$tmp/queue.log" || fail "queueing"
"$STINT" wait again --timeout 10 >/dev/null 2>"$tmp/wait.log" ||
    fail "nobody works"
ok "work goes on"
fsck_clean
passed
