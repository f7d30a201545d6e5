#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Processes that stay, and C functions in processes, through the program: what
# they give, what a crash and a kill cost, and that nothing of them stays.
. "$(dirname "$0")/lib.sh"

CHILD_HELPER=${CHILD_HELPER:-$(dirname "$NOOP_MODULE")/child_helper}
# Its second argument counts its starts, and marks it.
mark=$tmp/starts
child="{\"child\": [\"$CHILD_HELPER\", \"good\", \"$mark\"], \"processes\": 2}"
apart="{\"module\": \"$NOOP_MODULE\", \"isolation\": \"process\"}"
cat >"$tmp/worker.json" <<END
{"concurrency": 4,
 "tasks": {"echo": $child, "print": $child, "pid": $child, "deaf": $child,
           "bye": $child, "noop": $apart, "crash": $apart, "sleep_ms": $apart}}
END

queue() {
    "$STINT" queue-task "$@" >/dev/null 2>>"$tmp/queue.log" || fail "queueing"
}

# result ID: what is printed of it, without white space
result() {
    "$STINT" task-status "$1" --runs --json | tr -d '\n ' |
        grep -o '"result":.*' | sed 's/"result":\([^,}]*\).*/\1/' | head -n 1
}

# below PID: all processes below it
below() {
    local pid
    for pid in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
        echo "$pid"
        below "$pid"
    done
}

all_gone() {
    local pid
    for pid in "$@"; do
        gone "$pid" || return 1
    done
}

worker one
one=$worker_pid
queue echo --id echo --args '[7]'
queue print --id print
queue crash --id crash
queue noop --id noop
"$STINT" wait echo print noop --timeout 20 >/dev/null 2>"$tmp/wait.log"
equal "a child answers" COMPLETED "$(field status echo)"
equal "with a result" "[7]" "$(result echo)"
contains "its output is there" "to stdout" \
    "$("$STINT" task-status print --output)"
equal "a C function runs" COMPLETED "$(field status noop)"
"$STINT" wait crash --timeout 20 >/dev/null 2>>"$tmp/wait.log"
equal "one that crashes fails" FAILED "$(field status crash)"
contains "and says how" "killed by signal 6 (SIGABRT): about to crash" \
    "$(field reason crash)"

starts=$(wc -c <"$mark")
queue deaf --id victim --timeout 900
until_true 10 "it runs" has_status RUNNING victim
queue pid --id pid
"$STINT" wait pid --timeout 20 >/dev/null 2>>"$tmp/wait.log"
idle=$(result pid)
for pid in $(below "$one"); do
    if [ "$pid" != "$idle" ] &&
        tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qx "$mark"; then
        kill -KILL "$pid"
    fi
done
until_true 10 "a killed child fails its run" has_status FAILED victim
contains "with the signal" "killed by signal 9 (SIGKILL)" \
    "$(field reason victim)"
queue pid --id pid2
"$STINT" wait pid2 --timeout 20 >/dev/null 2>>"$tmp/wait.log"
equal "the others go on" COMPLETED "$(field status pid2)"
equal "one was started anew" $((starts + 1)) "$(wc -c <"$mark")"

queue deaf --id late --timeout 0.5
"$STINT" wait late --timeout 20 >/dev/null 2>>"$tmp/wait.log"
equal "one that does not listen is killed" TIMEOUT "$(field status late)"

queue deaf --id busy --timeout 900
queue sleep_ms --id asleep --args '[900000]' --timeout 900
until_true 10 "a child is busy" has_status RUNNING busy
until_true 10 "a C function, too" has_status RUNNING asleep
mapfile -t pids_below < <(below "$one")
[ "${#pids_below[@]}" -ge 7 ] || fail "only ${#pids_below[@]} processes"
kill_hard "$one"
until_true 8 "a killed worker leaves no process" all_gone "${pids_below[@]}"
until_true 8 "and no child" mark_is_gone "$mark"

worker two
two=$worker_pid
until_true 20 "another worker takes them" has_status RUNNING asleep
"$STINT" stop-task busy asleep >/dev/null 2>&1
until_true 20 "what listens is stopped" has_status STOPPED asleep
until_true 20 "what does not, too" has_status STOPPED busy
queue sleep_ms --id nap --args '[700]'
until_true 10 "a nap begins" has_status RUNNING nap
mapfile -t pids_below < <(below "$two")
kill -TERM "$two"
ended "$two" 20
equal "SIGTERM ends the worker" 0 "$ended_status"
equal "after its runs" COMPLETED "$(field status nap)"
until_true 2 "nothing is left" all_gone "${pids_below[@]}"
until_true 2 "of the children" mark_is_gone "$mark"
fsck_clean
passed
