#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A group in parts: many tasks spread over eight, drained, found by their ids
# and changed; families across parts; who believes an old number is corrected;
# the number changes only while the group is empty; people see one group.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<END
{"concurrency": 4, "tasks": {"noop": {"module": "$NOOP_MODULE"}}}
END
cat >"$tmp/programs.json" <<END
{"concurrency": 4,
 "tasks": {"nap": {"exec": ["sleep", "{args.0}"]},
           "false": {"exec": ["false"]},
           "see": {"exec": ["cat"]},
           "number": {"exec": ["sh", "-c", "echo 7 >&3"]}}}
END

redis() {
    redis-cli -s "$STINT_HOME/redis/redis.sock" "$@"
}
statistic() { # NAME, of main
    "$STINT" stats --group main --json | json_field "$1"
}
no_part_is_named() { # WHAT TEXT
    case "$2" in
    *main~*) fail "$1 names a part: $2" ;;
    esac
    ok "$1 names no part"
}

# ---- The number --------------------------------------------------------------

exits "one part" 0 "$STINT" group main
contains "one part" "group main: 1 part" "$out"
exits "no number" 2 "$STINT" group main --parts 0
exits "too many" 2 "$STINT" group main --parts 257
exits "a part is no group" 2 "$STINT" group 'main~3' --parts 2
exits "a part is no group" 2 "$STINT" queue-task noop --group-name 'main~3'
exits "a part is no group" 1 "$STINT" task-status x --group-name 'main~3'

# A worker that is there before the parts are.
worker early
early=$worker_pid
until_true 10 "early is there" eval \
    '[ "$("$STINT" workers --json | grep -c ACTIVE)" = 1 ]'
exits "eight parts" 0 "$STINT" group main --parts 8
contains "order holds within a part" "within a part" "$errout"
exits "the same again" 0 "$STINT" group main --parts 8 --json
equal "its JSON" 8 "$(echo "$out" | json_field parts)"

seq 100 | sed 's/.*/{"function":"noop"}/' |
    "$STINT" queue-task --file - >"$tmp/ids" || fail "queueing"
timeout 15 "$STINT" wait - <"$tmp/ids" || fail "new parts are not served"
ok "a worker that was there before serves the new parts"

# ---- Ten thousand ------------------------------------------------------------

n=10100
worker late
seq 10000 | sed 's/.*/{"function":"noop","id":"t&"}/' >"$tmp/tasks"
"$STINT" queue-task --file "$tmp/tasks" >"$tmp/ids" || fail "queueing"
seq 10000 | sed 's/^/t/' >"$tmp/wanted"
cmp -s "$tmp/ids" "$tmp/wanted" || fail "the ids are not those of the input"
ok "ids in the order of the input"
timeout 60 "$STINT" wait --group-name main - <"$tmp/ids" ||
    fail "not all have completed"
ok "all have completed"
equal "stats count all parts" $n "$(statistic completed)"
equal "stats: one line" 1 "$("$STINT" stats --json | grep -c .)"
equal "workers are counted once" 2 "$(statistic workers)"
"$STINT" group main --json | tr '{' '\n' | grep -o '"retained": *[0-9]*' |
    grep -o '[0-9]*$' >"$tmp/retained"
equal "eight parts have some" 8 "$(wc -l <"$tmp/retained")"
while read -r some; do
    [ "$some" -gt $((n / 16)) ] || fail "a part has only $some"
done <"$tmp/retained"
ok "and all about as many"
equal "by its id alone" COMPLETED "$(field status t77)"
equal "by group and id" COMPLETED "$(field status t4711 --group-name main)"
equal "its group" main "$(field group_name t4711)"
equal "list has all" $n "$("$STINT" list --limit 0 --group main | grep -c .)"
no_part_is_named "list" "$("$STINT" list --limit 0 --json)"
exits "an id is taken" 2 "$STINT" queue-task noop --id t4711
fsck_clean

exits "not while it holds tasks" 1 "$STINT" group main --parts 4
contains "and it says how many" "holds $n tasks" "$errout"
contains "and that it was to be chosen before" generously "$errout"
equal "still eight" 8 "$("$STINT" group main --json | json_field parts)"
kill -TERM "$early" "$worker_pid"
ended "$early" 10
ended "$worker_pid" 10

# ---- By their ids ------------------------------------------------------------

for i in 1 2 3 4 5; do
    "$STINT" queue-task nap --id "n$i" --args '["30"]' >/dev/null || fail "n$i"
done
exits "stop" 0 "$STINT" stop-task n1
equal "stopped" STOPPED "$(field status n1)"
exits "requeue" 0 "$STINT" requeue-task n1
equal "queued again" QUEUED "$(field status n1)"
exits "disable" 0 "$STINT" disable-task n2
equal "disabled" disabled "$(field reason n2)"
exits "enable" 0 "$STINT" enable-task n2
exits "delete" 0 "$STINT" delete-task --group-name main n3
exits "it is gone" 1 "$STINT" task-status n3
exits "why" 0 "$STINT" why n4
contains "why" "No live worker serves group main" "$out"
exits "nobody's id" 1 "$STINT" task-status none --group-name main
exits "nobody's id" 1 "$STINT" stop-task none

# ---- Families ----------------------------------------------------------------

{
    for i in $(seq 40); do
        printf '{"function":"see","id":"kid%s",' "$i"
        printf '"depends_on":["p%s","main/q%s"]}\n' "$i" "$i"
        printf '{"function":"number","id":"p%s"}\n' "$i"
        printf '{"function":"number","id":"q%s"}\n' "$i"
    done
    echo '{"function":"false","id":"bad"}'
    echo '{"function":"see","id":"orphan","depends_on":["bad"]}'
} >"$tmp/family"
"$STINT" queue-task --file "$tmp/family" >"$tmp/ids" || fail "family"
exits "an unknown parent" 2 "$STINT" queue-task see --depends-on main/nobody
exits "a parent of before" 0 "$STINT" queue-task see --id after \
    --depends-on kid1 --depends-on main/kid2
no_part_is_named "why" "$("$STINT" why after)"
contains "why" "kid1" "$("$STINT" why after)"
no_part_is_named "graph" "$("$STINT" graph after)"
contains "graph" "q2" "$("$STINT" graph after --group-name main)"
for i in 1 2 4 5; do
    "$STINT" stop-task "n$i" >/dev/null || fail "n$i"
done
"$STINT" worker --config "$tmp/programs.json" --name w1 --heartbeat 0.5 \
    >>"$tmp/w1.log" 2>&1 </dev/null &
w1=$!
pids+=("$w1")
timeout 60 "$STINT" wait after >/dev/null || fail "the family"
equal "the last of the family" COMPLETED "$(field status after)"
timeout 30 "$STINT" wait orphan >/dev/null
equal "whose parent failed" FAILED "$(field status orphan)"
contains "and why" "it depends on main/bad" "$(field error orphan --output)"
seen=$("$STINT" task-status kid7 --output --json)
no_part_is_named "a run" "$seen"
contains "a run knows its group" '\"group_name\":\"main\"' "$seen"
contains "a run hears its parents" \
    '\"main/q7\":{\"status\":\"COMPLETED\",\"result\":7}' "$seen"
case "$seen" in
*GONE*) fail "a parent was not found: $seen" ;;
esac
ok "and they were found"

# ---- A broadcast, a stop -----------------------------------------------------

id=$("$STINT" queue-task nap --args '["0"]' --broadcast) || fail "broadcast"
timeout 30 "$STINT" wait "$id" >/dev/null || fail "broadcast"
equal "a broadcast" COMPLETED "$(field status "$id")"
exits "something long" 0 "$STINT" queue-task nap --id long --args '["60"]'
until_true 10 "long runs" has_status RUNNING long
exits "stop" 0 "$STINT" stop-task long
until_true 3 "long is stopped" has_status STOPPED long
fsck_clean

# ---- A worker dies -----------------------------------------------------------

for i in 1 2 3 4; do
    "$STINT" queue-task nap --id "d$i" --args '["2"]' >/dev/null || fail "d$i"
done
all_run() {
    [ "$(count_status RUNNING)" = 4 ]
}
until_true 10 "four run" all_run
"$STINT" worker --config "$tmp/programs.json" --name w2 --heartbeat 0.5 \
    >>"$tmp/w2.log" 2>&1 </dev/null &
w2=$!
pids+=("$w2")
kill_hard "$w1"
timeout 30 "$STINT" wait d1 d2 d3 d4 >/dev/null || fail "a dead worker's"
equal "its tasks run elsewhere" 4 "$("$STINT" list --json --limit 0 \
    --function nap | grep '"id":"d' | grep -c '"times_run":1')"
contains "lost once" LOST "$("$STINT" task-status d1 --runs --json)"

# ---- Shares ------------------------------------------------------------------

kill -TERM "$w2"
ended "$w2" 10
cat >"$tmp/one.json" <<END
{"concurrency": 1, "tasks": {"short": {"exec": ["sleep", "0.01"]}}}
END
for group in main images; do
    seq 100 | sed "s/.*/{\"function\":\"short\",\"group_name\":\"$group\"}/"
done | "$STINT" queue-task --file - >"$tmp/ids" || fail "shares"
before=$(statistic completed)
enough() {
    main=$(($(statistic completed) - before))
    images=$("$STINT" stats --group images --json | json_field completed)
    [ $((main + images)) -ge 60 ]
}
"$STINT" worker --config "$tmp/one.json" --name w3 --heartbeat 0.5 \
    --group main --group images >>"$tmp/w3.log" 2>&1 </dev/null &
w3=$!
pids+=("$w3")
until_true 20 "some are done" enough
if [ "$main" -gt $((images * 2)) ] || [ "$images" -gt $((main * 2)) ]; then
    fail "main $main, images $images"
fi
ok "a group in parts has its share: main $main, images $images"
timeout 30 "$STINT" wait - <"$tmp/ids" >/dev/null || fail "shares"

# ---- Drain -------------------------------------------------------------------

kill -TERM "$w3"
ended "$w3" 10
seq 200 | sed 's/.*/{"function":"noop"}/' |
    "$STINT" queue-task --file - >/dev/null || fail "200"
exits "drain" 0 "$STINT" worker --config "$tmp/worker.json" --drain
equal "drained" 0 "$(statistic queued)"

# ---- Another number ----------------------------------------------------------

redis FLUSHALL >/dev/null
"$STINT" stats >/dev/null || fail "loading the rules again"
mkfifo "$tmp/lines"
"$STINT" queue-task --file "$tmp/lines" >"$tmp/ids" 2>"$tmp/queue.log" &
queueing=$!
exec 3>"$tmp/lines"
exits "three parts" 0 "$STINT" group main --parts 3
# What a change leaves that did not come to its end.
redis SET '{stint:main~1}:parts' '0 dead 3 3' >/dev/null
exits "fsck sees it" 1 "$STINT" fsck
contains "fsck sees it" "part 1 takes no tasks" "$out"
exits "run again" 0 "$STINT" group main --parts 3
fsck_clean
seq 100 | sed 's/.*/{"function":"noop","id":"u&"}/' >&3
exec 3>&-
wait "$queueing" || fail "queueing: $(cat "$tmp/queue.log")"
equal "queued" 100 "$(statistic queued)"
redis SET '{stint:main~2}:parts' 5 >/dev/null
exits "another number" 1 "$STINT" fsck
contains "another number" "part 2 knows of 5 parts" "$out"
redis SET '{stint:main~2}:parts' 3 >/dev/null
fsck_clean
passed
