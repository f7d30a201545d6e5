#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A worker dies with running and assigned tasks: they run elsewhere, the lost
# run is shown, no failure is counted.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<END
{"tasks": {"touch": {"exec": ["sh", "-c",
  "if mkdir \"\$0\" 2>/dev/null; then exec sleep 600; fi; echo again",
  "{args.0}"]}}}
END
for i in 1 2 3 4; do
    "$STINT" queue-task touch --id "r$i" --args "[\"$tmp/mark$i\"]" \
        --timeout 900 >/dev/null 2>>"$tmp/queue.log" || fail "queueing r$i"
done
worker first --concurrency 2 --prefetch 2
first=$worker_pid
count() {
    [ "$(count_status "$1")" -eq "$2" ]
}
until_true 10 "two are RUNNING" count RUNNING 2
until_true 10 "two are ASSIGNED" count ASSIGNED 2
until_true 10 "and really run" test -d "$tmp/mark1" -a -d "$tmp/mark2"
mkdir -p "$tmp/mark3" "$tmp/mark4" # these end at once
worker second --concurrency 4
sleep 1 # it has a lease before the first one dies
kill_hard "$first"
killed=$(date +%s%N)

"$STINT" wait r1 r2 r3 r4 --timeout 30 >/dev/null 2>"$tmp/wait.log" ||
    fail "not all are COMPLETED"
took=$((($(date +%s%N) - killed) / 1000000))
ok "all run elsewhere, after $took ms"
# Three heartbeats of 0.5 s, and room for a slow machine.
[ "$took" -le 3500 ] || fail "three heartbeats took $took ms"
ok "in time"
for i in 1 2; do
    runs=$("$STINT" task-status "r$i" --runs --json)
    contains "r$i: the lost run is shown" LOST "$runs"
    contains "r$i: and the good one" COMPLETED "$runs"
done
for i in 1 2 3 4; do
    equal "r$i: no failure counted" 0 "$(field times_failed "r$i")"
    equal "r$i: one success" 1 "$(field times_run "r$i")"
    contains "r$i: run by the second" second \
        "$("$STINT" task-status "r$i" --runs --json)"
done
fsck_clean
passed
