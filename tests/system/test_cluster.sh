#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A cluster of three primaries, and a group at each of them: all that works on
# one Redis works there, one that is away does not stop the others, and a group
# moves from one to another while its tasks are queued.
. "$(dirname "$0")/lib.sh"
. "$here/nodes.sh"

cluster_start --appendonly
export STINT_URL
load_library
ok "$STINT_URL"

fleet=$(($(slot_of '{stint}') * 3 / 16384))
other=$(((fleet + 1) % 3))
third=$(((fleet + 2) % 3))
groups=("$(group_at 0)" "$(group_at 1)" "$(group_at 2)")
ok "groups ${groups[*]}, the fleet is with ${groups[$fleet]}"

cat >"$tmp/worker.json" <<END
{"concurrency": 8, "tasks": {"sleep_ms": {"module": "$NOOP_MODULE"},
 "echo": {"exec": ["sh", "-c", "echo '\"{args.0}\"' >&\$STINT_RESULT_FD"]},
 "nap": {"exec": ["sleep", "{args.0}"]}}}
END
# tasks N PREFIX MS GROUP...: a line each, in turn for the groups
tasks() {
    local n=$1 prefix=$2 ms=$3
    shift 3
    seq "$n" | awk -v list="$*" -v prefix="$prefix" -v ms="$ms" '
        BEGIN { k = split(list, g, " ") }
        { printf "{\"function\":\"sleep_ms\",\"args\":[%d],\"id\":\"%s%d\"," \
          "\"group_name\":\"%s\"}\n", ms, prefix, $1, g[NR % k + 1] }'
}
queue() { # what tasks() says, on stdin
    "$STINT" queue-task --file - >"$tmp/ids" 2>"$tmp/queue.log" ||
        fail "queueing: $(cat "$tmp/queue.log")"
}
all_done() {
    timeout 60 "$STINT" wait - --timeout 50 <"$tmp/ids" >/dev/null \
        2>"$tmp/wait.log" || fail "$1: $(tail -n 3 "$tmp/wait.log")"
    ok "$1"
}
# done_at INDEX ID: asked of the node itself, as others may be away
done_at() {
    case "$(node "$1" HGET "{stint:${groups[$1]}}:state" "$2")" in
    COMPLETED*) return 0 ;;
    esac
    return 1
}

# ---- What works on one Redis -------------------------------------------------

tasks 900 a 0 "${groups[@]}" | queue
equal "queued, at three primaries" 900 "$(count_status QUEUED)"
for i in 0 1 2; do
    equal "of them at node $i" 300 \
        "$(node "$i" ZCARD "{stint:${groups[$i]}}:queued")"
done
worker one --group "${groups[0]}" --group "${groups[1]}" \
    --group "${groups[2]}"
one=$worker_pid
all_done "all are done"
equal "stats" 3 "$("$STINT" stats --json | grep -c '"completed":300')"
equal "list of a group" 300 "$("$STINT" list --group "${groups[1]}" \
    --limit 0 --json | grep -c .)"
fsck_clean

connections() {
    local i sum=0
    for i in 0 1 2; do
        sum=$((sum + $(node "$i" CLIENT LIST | grep -c ' name=stint ')))
    done
    echo "$sum"
}
has_ten_connections() {
    [ "$(connections)" -eq 10 ]
}
until_true 5 "3 connections for calls, 2 for each group, 1 for the fleet" \
    has_ten_connections

"$STINT" queue-task echo --id parent --group-name "${groups[0]}" \
    --args '["hi"]' --start-time +1s >/dev/null || fail "parent"
"$STINT" queue-task sleep_ms --id child --group-name "${groups[1]}" \
    --args '[1]' --depends-on "${groups[0]}/parent" >/dev/null || fail "child"
exits "a child waits for its parent elsewhere" 0 \
    "$STINT" wait child --timeout 20
equal "which is done" COMPLETED "$(field status parent)"

"$STINT" queue-task nap --id long --group-name "${groups[2]}" --args '[60]' \
    >/dev/null || fail "long"
until_true 10 "it runs" has_status RUNNING long
"$STINT" stop-task long >/dev/null || fail "stop-task"
until_true 3 "a running task is stopped" has_status STOPPED long

for i in 0 1 2; do
    "$STINT" queue-task sleep_ms --id "later$i" --args '[1]' \
        --group-name "${groups[$i]}" --start-time "+$((i + 1))s" >/dev/null ||
        fail "later"
done
exits "scheduled tasks wake an idle worker" 0 \
    "$STINT" wait later0 later1 later2 --timeout 5

is_disabled() {
    "$STINT" workers | grep -q DISABLED
}
is_enabled() {
    ! is_disabled
}
"$STINT" disable --worker one >/dev/null || fail "disable"
until_true 2 "a command is heard at once" is_disabled
"$STINT" resume --worker one >/dev/null || fail "resume"
until_true 2 "and the next" is_enabled

exits "level 2 needs all primaries" 2 "$STINT" queue-task nap --durability 2
node 1 CONFIG SET appendfsync always >/dev/null
exits "also one that differs" 2 "$STINT" queue-task nap --durability 2
contains "and says so" "not set up alike" "$errout"
for i in 0 2; do
    node "$i" CONFIG SET appendfsync always >/dev/null
done
exits "level 2" 0 "$STINT" queue-task sleep_ms --args '[1]' --durability 2 \
    --group-name "${groups[0]}" --id durable
exits "replicas that are not there" 3 "$STINT" queue-task sleep_ms \
    --args '[1]' --durability replicas=1 --group-name "${groups[0]}"
contains "how many have it" "0 of 1 replicas" "$errout"

# ---- A group moves -----------------------------------------------------------

moving=${groups[$third]}
slot=$(slot_of "{stint:$moving}")
tasks 400 m 20 "$moving" "${groups[$other]}" | queue
slot_to "$slot" "$third" "$other" 0.5 &
mover=$!
"$STINT" queue-task sleep_ms --args '[1]' --id meanwhile \
    --group-name "$moving" >/dev/null || fail "queueing while it moves"
ok "queueing waits until it has moved"
wait "$mover"
all_done "a group moves while its tasks run"
equal "all its keys have moved" 0 "$(node "$third" CLUSTER COUNTKEYSINSLOT \
    "$slot")"
equal "none ran twice" 0 "$("$STINT" list --group "$moving" --limit 0 --json |
    grep -c '"times_run":[2-9]')"
fsck_clean
slot_to "$slot" "$other" "$third"
"$STINT" queue-task sleep_ms --args '[1]' --id back --group-name "$moving" \
    >/dev/null || fail "back"
exits "and moves back" 0 "$STINT" wait back --timeout 10

# ---- A group in parts --------------------------------------------------------

worker wide --group wide
wide=$worker_pid
exits "a group in 6 parts" 0 "$STINT" group wide --parts 6
tasks 600 w 1 wide | queue
all_done "a worker that was there before takes from all parts"
for k in 0 1 2 3 4 5; do
    key={stint:wide$([ "$k" -eq 0 ] || echo "~$k")}:state
    at=$(($(slot_of "$key") * 3 / 16384))
    n=$(node "$at" HLEN "$key")
    [ "$n" -ge 50 ] || fail "part $k has $n of 600 tasks"
    echo "$at"
done | sort -u >"$tmp/nodes_used"
equal "its parts are at several primaries" 1 \
    "$(($(grep -c . "$tmp/nodes_used") > 1))"
equal "to users it is one group" 1 \
    "$("$STINT" stats --json | grep -c '"group":"wide".*"completed":600')"
kill -TERM "$wide"
ended "$wide" 20
equal "its worker leaves" 0 "$ended_status"
fsck_clean

# ---- A primary is away -------------------------------------------------------

tasks 200 k 20 "${groups[@]}" | queue
sleep 0.3
kill_pid=$(node_pid "$third")
kill -KILL "$kill_pid" || fail "no such node"
until_true 5 "a primary is killed" gone "$kill_pid"
"$STINT" queue-task sleep_ms --id alive --args '[1]' \
    --group-name "${groups[$other]}" >/dev/null || fail "queueing elsewhere"
until_true 5 "the others go on" done_at "$other" alive
# what COMMAND...: looks at all groups, one of which is missing
looks() {
    local what=$1
    shift
    exits "$what with a primary away" 3 "$STINT" "$@"
    contains "names what is missing" "missing here: " "$errout"
    contains "each group" " ${groups[$third]} " \
        "$(echo "$errout" | sed 's/.*missing here://; s/: .*/ /')"
}
looks stats stats --json
equal "and shows the rest" 2 "$(echo "$out" | grep -c '"group":"g')"
looks "a table" stats
contains "is printed" "${groups[$other]}" "$out"
looks list list --limit 0
contains "shows the rest" alive "$out"
looks fsck fsck
cluster_start
all_done "it is back, and all are done"
fsck_clean

# The fleet's: nobody can be elected, and yet what is due begins.
"$STINT" queue-task sleep_ms --id due --args '[1]' --start-time +3s \
    --group-name "${groups[$other]}" >/dev/null || fail "due"
fleet_pid=$(node_pid "$fleet")
kill -STOP "$fleet_pid"
until_true 10 "the fleet's primary hangs, another group goes on" \
    done_at "$other" due
kill -CONT "$fleet_pid"
tasks 90 z 1 "${groups[@]}" | queue
all_done "it is there again"
kill -0 "$one" || fail "the worker has died"
ok "it was one worker all the time"

kill -TERM "$one"
ended "$one" 20
equal "it leaves in peace" 0 "$ended_status"

# Away from the start.
kill_pid=$(node_pid "$fleet")
kill -KILL "$kill_pid" || fail "no such node"
until_true 5 "the fleet's primary is killed" gone "$kill_pid"
node "$other" FUNCTION FLUSH >/dev/null
load_library
worker late --group "${groups[0]}" --group "${groups[1]}" \
    --group "${groups[2]}"
has_lease() {
    node "$other" ZRANGE "{stint:${groups[$other]}}:workers" 0 -1 |
        grep -q '^late\.'
}
until_true 10 "a worker begins all the same, and loads the rules" has_lease
exits "all groups cannot be looked at" 3 "$STINT" stats
contains "it says why" "with the list of groups is missing" "$errout"
exits "what is elsewhere can be looked at" 0 \
    "$STINT" task-status due --group-name "${groups[$other]}"
cluster_start
tasks 90 y 1 "${groups[@]}" | queue
all_done "and takes from all when it is back"
kill -TERM "$worker_pid"
ended "$worker_pid" 20
worker two --group "${groups[0]}" --drain
ended "$worker_pid" 20
equal "drained" 0 "$ended_status"
fsck_clean

# ---- No cluster --------------------------------------------------------------

exits "as if it were one Redis" 2 "$STINT" queue-task nap \
    --group-name "${groups[0]}" --url "redis://127.0.0.1:$(ports | tail -n 1)"
contains "what to use" "use redis+cluster://" "$errout"
exits "nobody there" 3 "$STINT" stats --url redis+cluster://127.0.0.1:1
"$here/../../deploy/cluster" stop "$nodes" || fail "deploy/cluster stop"
ok "the cluster is stopped"
passed
