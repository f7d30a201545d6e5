#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A worker in a storm of signals, with thousands of short children: nothing is
# lost or doubled, no zombie and no descriptor stays behind. A C function that
# blocks for longer than the lease keeps nothing else from going on. SIGTERM
# again and again releases all, and burns no attempt. Rows 16, 75, 78, 80, 81,
# 86 and 88 of the catalogue of faults.
#   N=100000 tests/system/test_signals.sh      many more children
. "$(dirname "$0")/lib.sh"
n=${N:-1500}

mkdir "$tmp/ran"
cat >"$tmp/worker.json" <<END
{"concurrency": 8, "tasks": {
 "note": {"exec": ["sh", "-c", "echo \$STINT_FENCE >>\"$tmp/ran/\$0\"",
                   "{args.0}"]},
 "fds": {"exec": ["sh", "-c", "exec ls -l /proc/self/fd"]},
 "sleep": {"exec": ["sleep", "{args.0}"]},
 "sleep_ms": {"module": "$NOOP_MODULE"}}}
END
# queued N PREFIX FUNCTION ARGS
queued() {
    seq "$1" | sed "s/.*/{\"function\":\"$3\",\"id\":\"$2&\",\"args\":$4}/" |
        "$STINT" queue-task --file - >"$tmp/ids.$2" 2>"$tmp/queue.log" ||
        fail "queueing $2"
}
done_all() {
    timeout 90 "$STINT" wait - <"$tmp/ids.$1" >/dev/null 2>"$tmp/wait.log" ||
        fail "not all of $1 are COMPLETED"
    ok "all of $1 are COMPLETED"
}
worker one
one=$worker_pid

# What a run has open, and what the worker has when it rests.
"$STINT" queue-task fds --id fds >/dev/null
"$STINT" wait fds --timeout 20 2>/dev/null
open=$(field output fds --output | grep -o -- '->' | grep -c .)
equal "a run has its pipes and no more (and ls its folder)" 5 "$open"
sleep 0.3
fds_before=$(find "/proc/$one/fd" | wc -l)

# The storm, with one short pause past nothing.
queued "$n" s note '["&"]'
(
    while [ ! -e "$tmp/calm" ]; do
        for signal in CHLD PIPE URG WINCH CONT CHLD CHLD; do
            kill -"$signal" "$one" 2>/dev/null
        done
        kill -STOP "$one"
        kill -CONT "$one"
        sleep 0.005
    done
) &
storm=$!
pids+=("$storm")
done_all s
touch "$tmp/calm"
wait "$storm"
forget "$storm"
equal "each ran" "$n" "$(find "$tmp/ran" -type f | wc -l)"
equal "and once" "$n" "$(cat "$tmp/ran"/* | wc -l)"
zombies() {
    local stat n=0
    for stat in /proc/[0-9]*/stat; do
        case "$(sed 's/.*) \(. [0-9]*\) .*/\1/' "$stat" 2>/dev/null)" in
        "Z $one") n=$((n + 1)) ;;
        esac
    done
    echo "$n"
}
no_zombies() {
    [ "$(zombies)" = 0 ]
}
until_true 5 "no child of it is left unreaped" no_zombies
fds_as_before() {
    [ "$(find "/proc/$one/fd" | wc -l)" -le "$fds_before" ]
}
until_true 5 "it has no more descriptors than before" fds_as_before

# Leases of 1.5 s; functions that hold every slot for longer.
queued 8 b sleep_ms '[3500]'
sleep 2.5
contains "the worker's heart beats meanwhile" ACTIVE "$("$STINT" workers)"
done_all b
for i in 1 2 3 4 5 6 7 8; do
    [ "$(field times_run b$i)" = 1 ] || fail "b$i ran twice"
    case "$("$STINT" task-status b$i --runs --json)" in
    *LOST*) fail "b$i was lost" ;;
    esac
done
ok "and nobody takes them for lost"

# Again and again.
queued 12 t sleep '["600"]'
all_run() {
    [ "$(count_status RUNNING)" = 8 ]
}
until_true 10 "eight run" all_run
for i in $(seq 30); do
    kill -TERM "$one" 2>/dev/null
    kill -INT "$one" 2>/dev/null
done
ended "$one" 10
equal "its end is a good one" 0 "$ended_status"
equal "all are QUEUED again" 12 "$(count_status QUEUED)"
for i in 1 5 12; do
    equal "t$i: no failure is counted" 0 "$(field times_failed t$i)"
done
fsck_clean
passed
