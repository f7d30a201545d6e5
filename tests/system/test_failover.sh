#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A cluster with replicas: one takes over from its primary when it is told to
# (nothing is lost, nothing runs twice), and when the primary is killed (what a
# replica had confirmed is not lost; what runs twice is of that primary). URLs
# that name replicas only.
. "$(dirname "$0")/lib.sh"
. "$here/nodes.sh"

cluster_start --replicas 1 --node-timeout 1000 --appendonly
export STINT_URL
load_library
groups=("$(group_at 0)" "$(group_at 1)" "$(group_at 2)")
ok "$STINT_URL"
# Replica I is node 3 + I. min-replicas-to-write is what level 3 asks for; a
# short lag keeps the window small.
for i in 0 1 2 3 4 5; do
    node "$i" CONFIG SET min-replicas-max-lag 2 >/dev/null
done

cat >"$tmp/worker.json" <<END
{"concurrency": 4, "tasks": {
 "note": {"exec": ["sh", "-c",
   "echo \"\$0\" >>$tmp/runs; sleep 0.02; echo \"\$0\" >>$tmp/ends",
   "{args.0}"]}}}
END
: >"$tmp/runs"
: >"$tmp/ends"
for name in one two; do
    worker "$name" --group "${groups[0]}" --group "${groups[1]}" \
        --group "${groups[2]}" --heartbeat 2
done
# feed PREFIX N [FIELD]: queues them one file after the other; FIELD as JSON
feed() {
    local prefix=$1 n=$2 k
    for ((k = 0; k < n; k += 30)); do
        seq "$k" $((k + 29)) | awk -v list="${groups[*]}" -v p="$prefix" -v more="${3:-}" '
            BEGIN { k = split(list, g, " ") }
            { printf "{\"function\":\"note\",\"id\":\"%s%d\"," \
              "\"args\":[\"%s%d\"]," \
              "\"group_name\":\"%s\"%s}\n", p, $1, p, $1, g[$1 % k + 1], more }' |
            "$STINT" queue-task --file - >>"$tmp/$prefix.ids" \
                2>>"$tmp/queue.log" || return 1
    done
}
# mend PREFIX N: one by one, those that were not confirmed
mend() {
    local k id
    for ((k = 0; k < $2; k++)); do
        id=$1$k
        grep -qx "$id" "$tmp/$1.ids" && continue
        "$STINT" queue-task note --id "$id" --args "[\"$id\"]" \
            --group-name "${groups[$(((k) % 3))]}" --durability replicas=1 \
            >/dev/null 2>"$tmp/mend.log" ||
            grep -q 'already there' "$tmp/mend.log" || return 1
        echo "$id" >>"$tmp/$1.ids"
    done
}
all_done() { # PREFIX
    timeout 70 "$STINT" wait - --timeout 60 <"$tmp/$1.ids" >/dev/null \
        2>"$tmp/wait.log" || fail "$1: $(tail -n 3 "$tmp/wait.log")"
    equal "$1: none is lost" "$(sort -u "$tmp/$1.ids")" \
        "$(grep "^$1" "$tmp/ends" | sort -u)"
}
twice() { # PREFIX
    grep "^$1" "$tmp/runs" | sort | uniq -d
}
is_primary() {
    [ "$(node "$1" ROLE | head -n 1)" = master ]
}

# ---- When it is told to ------------------------------------------------------

feed a 300 &
feeder=$!
sleep 0.3
equal "a replica is told to take over" OK "$(node 3 CLUSTER FAILOVER)"
until_true 10 "it has" is_primary 3
wait "$feeder" || fail "queueing: $(cat "$tmp/queue.log")"
all_done a
equal "none ran twice" "" "$(twice a)"
fsck_clean

# ---- When the primary is killed ----------------------------------------------

confirmed=',"durability":"replicas=1"'
feed b 180 "$confirmed" &
feeder=$!
sleep 0.3
victim=$(node_pid 1)
kill -KILL "$victim" || fail "no such node"
until_true 15 "a replica takes over from one that was killed" is_primary 4
cluster_start # it comes back as a replica of the new one
wait "$feeder" || ok "a file was not confirmed: $(tail -n 1 "$tmp/queue.log")"
sort -u "$tmp/b.ids" -o "$tmp/b.ids"
cp "$tmp/b.ids" "$tmp/confirmed"
# Nobody has to guess: the same ids once more, which is safe.
until_true 30 "all are confirmed in the end" mend b 180
equal "all" 180 "$(grep -c . "$tmp/b.ids")"
all_done b
for id in $(twice b); do
    group=$("$STINT" task-status "$id" --json | json_field group_name)
    [ "$group" = "${groups[1]}" ] || fail "$id of $group ran twice"
done
ok "$(twice b | grep -c .) of 180 ran twice, all of the group that failed over"
fsck_clean

# ---- URLs that name replicas -------------------------------------------------

# The first ones are known to be replicas now: 0 was told, 1 was killed.
is_replica() {
    [ "$(node "$1" ROLE | head -n 1)" = slave ]
}
until_true 10 "the old primary follows" is_replica 1
url=redis+cluster://
case $STINT_URL in
*@*) url=${STINT_URL%%@*}@ ;;
esac
exits "a cluster's URL may name replicas only" 0 "$STINT" stats \
    --url "${url}127.0.0.1:$(port_of 0),127.0.0.1:$(port_of 1)"
passed
