#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Broadcasts: a run on every live worker of the group, busy or not.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<'END'
{"tasks": {
  "nap": {"exec": ["sleep", "{args.0}"]},
  "who": {"exec": ["sh", "-c", "echo from $STINT_WORKER; sleep \"$0\"",
    "{args.0}"]}}}
END
printf '{"tasks": {"nap": {"exec": ["sleep", "{args.0}"]}}}\n' \
    >"$tmp/other.json"

queue() {
    "$STINT" queue-task "$@" >/dev/null 2>>"$tmp/queue.log" ||
        fail "queueing $*"
}

# runs_of ID: the workers of its runs, in order of their names
runs_of() {
    "$STINT" task-status "$1" --runs |
        sed -n 's/^worker  *\([a-z]*\)\..*/\1/p' | sort | tr '\n' ' '
}

# shown PATTERN: by workers
shown() {
    "$STINT" workers | grep -q "$1"
}

three_workers() {
    [ "$("$STINT" stats --json | json_field workers)" = 3 ]
}

# Without a worker it waits.
queue who --id early --broadcast --args '["0"]'
sleep 0.3
equal "nobody is there" QUEUED "$(field status early)"
equal "it is counted" 1 "$("$STINT" stats --json | json_field broadcasts)"
worker one --concurrency 1
until_true 10 "the first worker runs it" has_status COMPLETED early
worker two --concurrency 1
worker three --concurrency 1
until_true 10 "three workers" three_workers

# All of them run it, though one is busy.
queue nap --id busy --args '["30"]'
until_true 10 "busy runs" has_status RUNNING busy
queue who --id all --broadcast --args '["2"]'
until_true 5 "it runs" has_status RUNNING all
equal "how far it is" "broadcast: 0 of 3 workers have ended" \
    "$(field reason all)"
exits "its runs while it runs" 0 "$STINT" task-status all --runs --json
until_true 1 "are there with their workers" sh -c \
    '[ "$("$0" task-status all --runs | grep -c "^worker .*\.")" = 3 ]' "$STINT"
exits "why" 0 "$STINT" why all
contains "why knows it, too" "0 of 3 have ended" "$out"
"$STINT" wait all --timeout 10 >/dev/null 2>"$tmp/wait.log" ||
    fail "all: $(field reason all)"
ok "it is COMPLETED"
contains "its result" '"result":{"runs":3,"completed":3}' \
    "$("$STINT" task-status all --output --json)"
equal "one run on each" "one three two " "$(runs_of all)"
equal "busy was not disturbed" RUNNING "$(field status busy)"
exits "its output, worker by worker" 0 "$STINT" task-status all --runs --json
contains "has theirs" '"output":"from ' "$out"

# A disabled worker is left out; one that does not know the function, too.
exits "disable two" 0 "$STINT" disable --worker two
worker four --config "$tmp/other.json"
until_true 5 "two is DISABLED" shown "^two.* DISABLED"
until_true 5 "four is there" shown "^four"
sleep 0.3
queue who --id some --broadcast --args '["0"]'
"$STINT" wait some --timeout 10 >/dev/null 2>"$tmp/wait.log" ||
    fail "some: $(field reason some)"
equal "the others run it" "one three " "$(runs_of some)"

# Stopped while it runs.
queue who --id stopped --broadcast --args '["60"]'
until_true 5 "it runs" has_status RUNNING stopped
sleep 0.3
exits "stop it" 0 "$STINT" stop-task stopped busy
until_true 5 "it is STOPPED" has_status STOPPED stopped
until_true 5 "busy, too" has_status STOPPED busy
equal "and counted no more" 0 "$("$STINT" stats --json | json_field broadcasts)"
fsck_clean
passed
