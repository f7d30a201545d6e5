#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Slots of a cluster are moved around under load: nothing is lost, nothing runs
# twice, nothing is stuck. Each run writes a line to a file of its own, so what
# has run is not only what Redis says. Longer by hand:
#   ROUNDS=20 TASKS=3000 STINT=... bash tests/system/test_reshard.sh
. "$(dirname "$0")/lib.sh"
. "$here/nodes.sh"
rounds=${ROUNDS:-3} tasks=${TASKS:-450}

cluster_start
export STINT_URL
load_library
groups=("$(group_at 0)" "$(group_at 1)" "$(group_at 2)" wide)
at=(0 1 2)

# Each run: begins, works for a while, ends. Appends are whole lines.
cat >"$tmp/worker.json" <<END
{"concurrency": 4, "tasks": {
 "note": {"exec": ["sh", "-c",
   "echo \"\$0\" >>$tmp/runs; sleep \"\$1\"; echo \"\$0\" >>$tmp/ends",
   "{args.0}", "{args.1}"]}}}
END
: >"$tmp/runs"
: >"$tmp/ends"
options=()
for g in "${groups[@]}"; do
    options+=(--group "$g")
done
exits "a group in parts" 0 "$STINT" group wide --parts 3
for name in one two; do
    worker "$name" "${options[@]}" --heartbeat 2
done

# lines FIRST LAST SECONDS
lines() {
    seq "$1" "$2" | awk -v list="${groups[*]}" -v s="$3" '
        BEGIN { k = split(list, g, " ") }
        { printf "{\"function\":\"note\",\"id\":\"t%d\",\"group_name\":\"%s\"," \
          "\"args\":[\"t%d\",%s]}\n", $1, g[NR % k + 1], $1, s }'
}
queue() {
    "$STINT" queue-task --file - >>"$tmp/ids" 2>"$tmp/queue.log" ||
        fail "queueing: $(cat "$tmp/queue.log")"
}
# Clients queue while slots move.
(
    for ((r = 0; r < rounds; r++)); do
        lines $((r * tasks / rounds + 1)) $(((r + 1) * tasks / rounds)) 0.01 |
            queue
    done
) &
feeder=$!

for ((r = 0; r < rounds; r++)); do
    for i in 0 1 2; do
        to=$(((at[i] + 1) % 3))
        slot_to "$(slot_of "{stint:${groups[$i]}}")" "${at[$i]}" "$to"
        at[i]=$to
    done
done
# And the fleet's.
fleet=$(($(slot_of '{stint}') * 3 / 16384))
slot_to "$(slot_of '{stint}')" "$fleet" $(((fleet + 1) % 3))
ok "$((3 * rounds + 1)) slots have moved"
wait "$feeder" || fail "$(cat "$tmp/queue.log")"
equal "all are queued" "$tasks" "$(sort -u "$tmp/ids" | grep -c .)"
timeout 90 "$STINT" wait - --timeout 80 <"$tmp/ids" >/dev/null 2>"$tmp/wait.log" ||
    fail "waiting: $(tail -n 3 "$tmp/wait.log")"

# exactly_once WHAT: each id began once and ended once
exactly_once() {
    equal "$1: none is lost" "$(sort -u "$tmp/ids" | grep -c .)" \
        "$(sort -u "$tmp/ends" | grep -c .)"
    equal "$1: none ran twice" "" "$(sort "$tmp/runs" | uniq -d | head -n 3)"
}
ok "and all are done"
exactly_once "slots that move"
fsck_clean

# ---- A move that takes longer than a lease -----------------------------------

# Nobody can renew it meanwhile, and the task goes on.
i=0
slot=$(slot_of "{stint:${groups[$i]}}")
groups=("${groups[$i]}")
lines 100001 100004 8 | queue
running() {
    [ "$(grep -c t10000 "$tmp/runs")" -eq 4 ]
}
until_true 10 "long tasks run" running
slot_to "$slot" "${at[$i]}" $(((at[i] + 1) % 3)) 7
printf 't100001\nt100002\nt100003\nt100004\n' >"$tmp/long"
"$STINT" wait - --timeout 40 <"$tmp/long" >/dev/null 2>"$tmp/wait.log" ||
    fail "waiting: $(tail -n 3 "$tmp/wait.log")"
exactly_once "a move that outlives the leases"
fsck_clean

# ---- Why ASK is not followed -------------------------------------------------

# A script at the new node would see what has arrived, and write beside what is
# still to come: then the move cannot end without losing one of both.
from=$(((at[i] + 1) % 3)) to=$(((at[i] + 2) % 3))
base={stint:${groups[0]}}
node "$to" CLUSTER SETSLOT "$slot" IMPORTING "$(node "$from" CLUSTER MYID)" \
    >/dev/null
node "$from" CLUSTER SETSLOT "$slot" MIGRATING "$(node "$to" CLUSTER MYID)" \
    >/dev/null
there=$(node "$from" HLEN "$base:task")
printf "ASKING\nFCALL stint_queue_task 1 %s 1 0 0 asked note +0 '' '' {}\n" \
    "$base" | redis-cli -p "$(port_of "$to")" >"$tmp/asked"
equal "who follows ASK begins the group anew" 1 \
    "$(printf 'ASKING\nHLEN %s:task\n' "$base" |
        redis-cli -p "$(port_of "$to")" | tail -n 1)"
contains "and the group can no longer move" BUSYKEY "$(node "$from" MIGRATE \
    127.0.0.1 "$(port_of "$to")" "$base:task" 0 5000 2>&1)"
# Undone, it is as it was.
for key in $(node "$to" CLUSTER GETKEYSINSLOT "$slot" 100); do
    printf 'ASKING\nDEL %s\n' "$key" | redis-cli -p "$(port_of "$to")" \
        >/dev/null
done
node "$to" CLUSTER SETSLOT "$slot" STABLE >/dev/null
node "$from" CLUSTER SETSLOT "$slot" STABLE >/dev/null
equal "all is where it was" "$there" "$(node "$from" HLEN "$base:task")"
"$STINT" queue-task note --id after --group-name "${groups[0]}" \
    --args '["after",0.01]' >/dev/null || fail "queueing"
exits "and goes on" 0 "$STINT" wait after --timeout 20
passed
