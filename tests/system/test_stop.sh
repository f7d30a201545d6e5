#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SIGTERM: the worker finishes what runs, releases what waits, exits 0. A second
# SIGTERM releases all at once.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<'END'
{"tasks": {"nap": {"exec": ["sh", "-c",
  "echo $$ >\"$0.pid\"; exec sleep \"$1\"", "{args.0}", "{args.1}"]}}}
END
nap() {
    "$STINT" queue-task nap --id "$1" --args "[\"$tmp/$1\", \"$2\"]" \
        --timeout 900 >/dev/null 2>>"$tmp/queue.log" || fail "queueing $1"
}

nap short 2
nap waiting 1
worker one --concurrency 1 --prefetch 1
until_true 10 "short runs" test -s "$tmp/short.pid"
until_true 10 "waiting is ASSIGNED" has_status ASSIGNED waiting
kill -TERM "$worker_pid"
ended "$worker_pid" 15
equal "exit status after SIGTERM" 0 "$ended_status"
equal "what ran was finished" COMPLETED "$(field status short)"
equal "what waited was released" QUEUED "$(field status waiting)"
equal "no failure is counted" 0 "$(field times_failed waiting)"
worker two --concurrency 1
"$STINT" wait waiting --timeout 15 >/dev/null 2>"$tmp/wait.log" ||
    fail "the released task did not run"
ok "the released task runs elsewhere"
kill -TERM "$worker_pid"
ended "$worker_pid" 10
equal "an idle worker exits with 0" 0 "$ended_status"

nap long 600
worker three --concurrency 1
until_true 10 "long runs" test -s "$tmp/long.pid"
kill -TERM "$worker_pid"
sleep 1
kill -0 "$worker_pid" || fail "the worker did not wait for its run"
ok "the worker waits for its run"
kill -TERM "$worker_pid"
ended "$worker_pid" 12
equal "exit status after the second SIGTERM" 0 "$ended_status"
until_true 5 "its program is gone" gone "$(cat "$tmp/long.pid")"
equal "its task was released" QUEUED "$(field status long)"
equal "no failure of it is counted" 0 "$(field times_failed long)"
fsck_clean
passed
