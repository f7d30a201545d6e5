#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Output while a task runs: --sync-output, task-status --follow, wait's bar.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<'END'
{"tasks": {
  "count": {"exec": ["sh", "-c",
    "for i in 1 2 3 4; do echo line $i; sleep 0.4; done"]},
  "percent": {"exec": ["sh", "-c",
    "for i in 10 40 70; do echo \"!clear!$i%\"; sleep 0.6; done; $0",
    "echo !clear!100%"]},
  "bad": {"exec": ["sh", "-c",
    "echo begun; sleep 0.5; echo broken >&2; exit 3"]},
  "nap": {"exec": ["sleep", "{args.0}"]}}}
END
worker one

queue() {
    "$STINT" queue-task "$@" >/dev/null 2>>"$tmp/queue.log" ||
        fail "queueing $*"
}

has_output() {
    "$STINT" task-status "$2" --output | grep -q "^output  *$1"
}

# The output grows, and is printed once.
queue count --id count --sync-output 0.1
until_true 5 "the output so far" has_output "line 1" count
equal "it runs still" RUNNING "$(field status count)"
timeout 20 "$STINT" task-status count --output --follow >"$tmp/out" \
    2>"$tmp/follow.log" </dev/null &
pid=$!
pids+=("$pid")
until_true 5 "--follow prints it" grep -q "line 2" "$tmp/out"
equal "while it runs" RUNNING "$(field status count)"
ended "$pid" 10
equal "exit status when it is COMPLETED" 0 "$ended_status"
equal "every line, once" "line 1
line 2
line 3
line 4" "$(cat "$tmp/out")"
equal "nothing on stderr" "" "$(cat "$tmp/follow.log")"

# What was cleared is printed anew.
queue percent --id percent --sync-output 0.1
exits "follow what is cleared" 0 "$STINT" task-status percent --output --follow
contains "first" "10%" "$out"
equal "the last line" "100%" "$(tail -n 1 "$tmp/out")"
[ "$(grep -c % "$tmp/out")" -ge 3 ] || fail "not printed anew: $out"
ok "each is printed"
exits "in the end only the last is kept" 0 "$STINT" task-status percent --output
equal "it is" "output            100%" "$(grep '^output' "$tmp/out")"

# Failures, states, JSON.
queue bad --id bad --sync-output 0.1
exits "follow what fails" 1 "$STINT" task-status bad --output --follow
contains "its output" begun "$out"
contains "the error" "FAILED: exit status 3" "$errout"
queue nap --id states --args '["0.7"]' --start-time +0.7s
exits "follow the states" 0 "$STINT" task-status states --follow
equal "a line for each" "QUEUED RUNNING COMPLETED " \
    "$(sed 's/^[^ ]*  *\([A-Z]*\).*/\1/' "$tmp/out" | tr '\n' ' ')"
contains "on whom" "RUNNING    on one." "$out"
queue nap --id json --args '["0.5"]'
exits "as JSON" 0 "$STINT" task-status json --follow --json
equal "objects, and nothing else" "" "$(grep -v '^{"id":"json",' "$tmp/out")"
contains "the last one" '"status":"COMPLETED"' "$(tail -n 1 "$tmp/out")"
exits "it is over" 0 "$STINT" task-status json --follow
equal "one line" 1 "$(grep -c . "$tmp/out")"
exits "no such task" 1 "$STINT" task-status nobody --follow
contains "it is named" "nobody: no such task" "$errout"
queue nap --id expired --start-time -60s --stop-time -30s
exits "one that expires" 1 "$STINT" task-status expired --follow

# The bar of wait, which needs a terminal.
queue percent --id bar --sync-output 0.1
if command -v script >/dev/null &&
    [ "$(script -qec 'echo yes' /dev/null </dev/null 2>/dev/null |
        tr -d '\r\n')" = yes ]; then
    script -qec "'$STINT' wait bar" /dev/null >"$tmp/bar" 2>&1 </dev/null ||
        fail "wait: $(cat "$tmp/bar")"
    contains "a bar" "[#########               ] 40%" "$(cat "$tmp/bar")"
    contains "it grows" "[################        ] 70%" "$(cat "$tmp/bar")"
else
    echo "skipped: no terminal to be had here"
fi
exits "no bar without one" 0 "$STINT" wait bar
equal "nothing on stderr" "" "$errout"
fsck_clean
passed
