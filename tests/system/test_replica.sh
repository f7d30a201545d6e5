#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Nobody decides by what a replica says: a URL that names one is refused with
# what to do; a client and a worker whose Redis becomes one are sent away and go
# on when it is the primary again, also if it lags behind meanwhile.
. "$(dirname "$0")/lib.sh"

server() { # NAME [options]
    local name=$1
    shift
    redis-server --port 0 --unixsocket "$tmp/$name.sock" --dir "$tmp" \
        --save '' --appendonly no "$@" >"$tmp/$name.out" 2>&1 &
    pids+=("$!")
    until_true 5 "$name runs" test -S "$tmp/$name.sock"
}
port=$((22000 + RANDOM % 8000))
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((port + 1))
done
server one --port "$port" --bind 127.0.0.1
server two
at() { # NAME COMMAND...
    local name=$1
    shift
    redis-cli -s "$tmp/$name.sock" "$@"
}
in_step() {
    at two INFO replication | grep -q master_link_status:up
}
primary=unix://$tmp/one.sock replica=unix://$tmp/two.sock
cat >"$tmp/worker.json" <<END
{"tasks": {"sleep_ms": {"module": "$NOOP_MODULE"}}}
END
export STINT_URL=$primary
exits "queueing" 0 "$STINT" queue-task sleep_ms --args '[1]' --id a
at two REPLICAOF 127.0.0.1 "$port" >/dev/null
until_true 10 "the replica is in step" in_step
equal "it has the task" 1 "$(at two HLEN '{stint:main}:task')"

# ---- A replica that lags behind ----------------------------------------------

# Its primary is another port: it keeps what it has, and serves that.
at two REPLICAOF 127.0.0.1 1 >/dev/null
worker one
until_true 10 "the task is done" has_status COMPLETED a
equal "the replica does not know that" "" "$(at two HGET \
    '{stint:main}:state' a | grep COMPLETED)"
equal "it has the task as it was queued" sleep_ms \
    "$(at two HGET '{stint:main}:task' a | cut -d' ' -f1)"
for command in "task-status a" "list" "queue-task sleep_ms"; do
    # shellcheck disable=SC2086
    exits "$command is not answered by it" 3 "$STINT" $command --url "$replica"
    contains "which is said" "is a replica: the URL has to name its primary" \
        "$errout"
done
exits "nor is there a worker" 3 "$STINT" worker --config "$tmp/worker.json" \
    --url "$replica"
contains "which is said, too" "is a replica" "$errout"

# ---- The primary becomes a replica and is one again --------------------------

# A client that waits, and a worker, are connected all the time.
"$STINT" queue-task sleep_ms --args '[1]' --id b --start-time +3s >/dev/null ||
    fail "queueing"
"$STINT" wait b --timeout 40 >"$tmp/wait.log" 2>&1 &
waiting=$!
pids+=("$waiting")
sleep 0.5
at one REPLICAOF 127.0.0.1 1 >/dev/null
sleep 4
equal "meanwhile nothing is told, nothing is run" 0 \
    "$(at one HGET '{stint:main}:state' b | grep -c COMPLETED)"
kill -0 "$waiting" 2>/dev/null || fail "the client gave up: $(cat "$tmp/wait.log")"
before=$(at one INFO stats | tr -d '\r' |
    sed -n 's/^total_connections_received://p')
sleep 2
after=$(at one INFO stats | tr -d '\r' |
    sed -n 's/^total_connections_received://p')
[ $((after - before)) -le 40 ] ||
    fail "$((after - before)) connections in 2 s to a replica"
ok "they try again, at their ease: $((after - before)) connections in 2 s"
at one REPLICAOF NO ONE >/dev/null
ended "$waiting" 30
equal "and go on when it is the primary again" 0 "$ended_status"
fsck_clean
passed
