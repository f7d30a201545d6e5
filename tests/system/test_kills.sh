#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Three workers, kill -9 of one of them ten times and of Redis twice, by a seed:
# every task ends COMPLETED once, every second run has a kill to explain it.
. "$(dirname "$0")/lib.sh"
seed=${SEED:-$$}
RANDOM=$seed
n=1000
echo "seed $seed"

mkdir "$tmp/ran"
cat >"$tmp/worker.json" <<END
{"concurrency": 6,
 "tasks": {"sleep_ms": {"module": "$NOOP_MODULE"},
           "note": {"exec": ["sh", "-c", "echo \$STINT_FENCE >>\$0",
                             "$tmp/ran/{args.0}"]}}}
END
# Ten kills in five seconds can meet the same task three times: that would be
# its end by default, and is not what this test is about.
seq $n | sed 's/.*/{"function":"note","id":"p&","args":[&],"max_crashes":20}\
{"function":"sleep_ms","id":"c&","args":[90],"max_crashes":20}/' >"$tmp/tasks"
"$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids" 2>"$tmp/queue.log" ||
    fail "queueing"

declare -A at
for i in 1 2 3; do
    worker w$i
    at[$i]=$worker_pid
done
for kill in 1 2 3 4 5 6 7 8 9 10; do
    sleep "0.$((RANDOM % 5 + 2))"
    if [ $((kill % 4)) -eq 0 ]; then
        redis=$(redis_pid)
        kill -KILL "$redis"
        "$STINT" stats >/dev/null 2>&1 # whoever comes next starts it again
    fi
    i=$((RANDOM % 3 + 1))
    kill_hard "${at[$i]}"
    worker w$i
    at[$i]=$worker_pid
done
ok "ten workers and two Redis killed"
timeout 60 "$STINT" wait - <"$tmp/ids" >/dev/null 2>"$tmp/wait.log" ||
    fail "not all are COMPLETED"
ok "all are COMPLETED"
equal "COMPLETED in the list" $((2 * n)) "$(count_status COMPLETED)"
equal "every program ran" $n "$(find "$tmp/ran" -type f | wc -l)"
# A kill takes at most what its worker held: six at once.
runs=$(cat "$tmp/ran"/* | wc -l)
[ "$runs" -le $((n + 12 * 3 * 6)) ] || fail "$runs runs of $n programs"
ok "no more runs than the kills explain ($runs)"
bad=0
for file in "$tmp/ran"/*; do
    sort -n -c -u "$file" 2>/dev/null || bad=$((bad + 1))
done
equal "the fences of a task only grow" 0 "$bad"
fsck_clean
passed
