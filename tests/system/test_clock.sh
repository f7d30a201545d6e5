#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Clocks that are wrong: workers' by hours, which changes nothing; Redis's, which
# jumps ahead (nobody loses what runs) and back (who was killed is found out all
# the same), and that of a host to which Redis moves (fences grow nonetheless).
. "$(dirname "$0")/lib.sh"
: "${CLOCK_SHIM:?CLOCK_SHIM is the path of the library with the wrong clock}"

# clock NAME SECONDS: it is so much ahead
clock() {
    [ -e "$tmp/$1.clock" ] || head -c 4096 /dev/zero >"$tmp/$1.clock"
    printf '%020d' "$2" 1<>"$tmp/$1.clock"
}

# redis CLOCK: the server, with its data, on a host with that clock
redis() {
    mkdir -p "$tmp/data"
    LD_PRELOAD=$CLOCK_SHIM STINT_TEST_CLOCK=$tmp/$1.clock redis-server \
        --port 0 --unixsocket "$tmp/redis.sock" --dir "$tmp/data" --save '' \
        --appendonly yes >>"$tmp/redis.log" 2>&1 </dev/null &
    redis=$!
    pids+=("$redis")
    until_true 10 "Redis by the clock $1" answers
}
answers() {
    [ "$(redis-cli -s "$tmp/redis.sock" ping 2>&1)" = PONG ]
}
redis_time() {
    redis-cli -s "$tmp/redis.sock" time | head -n 1
}

# skewed NAME SECONDS: a worker whose clock is so much ahead
skewed() {
    clock "$1" "$2"
    LD_PRELOAD=$CLOCK_SHIM STINT_TEST_CLOCK=$tmp/$1.clock worker "$1" \
        --concurrency 4
}

# run ID SECONDS [options]: a task that notes its fence; its first run takes so
# long
run() {
    local id=$1 seconds=$2
    shift 2
    "$STINT" queue-task note --id "$id" --args "[\"$id\", \"$seconds\"]" \
        --timeout 60 "$@" >/dev/null 2>>"$tmp/queue.log" || fail "queueing $id"
}
began() {
    local id
    for id in "$@"; do
        [ -s "$tmp/ran/$id" ] || return 1
    done
}
# once ID...: it ran once, and nothing was lost
once() {
    local id
    for id in "$@"; do
        [ "$(grep -c . "$tmp/ran/$id")" = 1 ] || fail "$id ran more than once"
        [ "$(field times_run "$id")" = 1 ] || fail "$id: times_run"
    done
    ok "once each: $*"
}
done_all() {
    "$STINT" wait "$@" --timeout 20 >/dev/null 2>"$tmp/wait.log" ||
        fail "not COMPLETED: $*"
}

# of WORKER NAME N: which of NAME1... it has, to $mine
of() {
    local i
    mine=
    for i in $(seq "$3"); do
        case "$(field worker "$2$i")" in
        "$1"*) mine="$mine $2$i" ;;
        esac
    done
    [ -n "$mine" ] || fail "nothing runs at $1"
}
again() {
    local id
    for id in $mine; do
        [ "$(grep -c . "$tmp/ran/$id")" = 2 ] || return 1
    done
}
# elsewhere MS: what is $mine runs again within that. Its lease and a lease of
# holding back are six heartbeats of 0.5 s; two more to see it, and as many
# again for a slow machine.
elsewhere() {
    local began took
    began=$(date +%s%N)
    until_true 12 "what it had runs elsewhere" again
    took=$((($(date +%s%N) - began) / 1000000))
    [ "$took" -le "$1" ] || fail "it took $took ms"
    ok "within $took ms"
}
# only_mine NAME N: nothing else of NAME1... ran twice, and fences grew
only_mine() {
    local i
    for i in $(seq "$2"); do
        case " $mine " in
        *" $1$i "*)
            sort -n -c -u "$tmp/ran/$1$i" || fail "fences of $1$i fell" ;;
        *) once "$1$i" ;;
        esac
    done
    ok "only that; its fences grew"
}

mkdir "$tmp/ran"
cat >"$tmp/worker.json" <<END
{"tasks": {"note": {"exec": ["sh", "-c",
  "echo \$STINT_FENCE >>\"$tmp/ran/\$0\"; [ \$(wc -l <\"$tmp/ran/\$0\") -gt 1 ] || exec sleep \$1",
  "{args.0}", "{args.1}"]}}}
END
clock one 0
redis one
export STINT_URL=unix://$tmp/redis.sock

# Hosts with wrong clocks: leases of 1.5 s, runs of 2 s, tasks that wait.
skewed ahead 7200
ahead=$worker_pid
skewed behind -7200
behind=$worker_pid
worker right --concurrency 9
for i in 1 2 3 4 5 6 7 8 9; do
    run "skew$i" 2
done
clock client 7200
LD_PRELOAD=$CLOCK_SHIM STINT_TEST_CLOCK=$tmp/client.clock run later 0 \
    --start-time +2
due=$(redis_time)
done_all skew1 skew2 skew3 skew4 skew5 skew6 skew7 skew8 skew9 later
once skew1 skew2 skew3 skew4 skew5 skew6 skew7 skew8 skew9 later
began_s=$(($(head -n 1 "$tmp/ran/later") / 1000000)) # a fence has the time
[ "$began_s" -ge $((due + 1)) ] && [ "$began_s" -le $((due + 6)) ] ||
    fail "later was assigned at $began_s, queued at $due"
ok "a wrong clock of the client's neither hastens nor delays"

# Redis's clock an hour ahead, while tasks run: no lease ends of it.
for i in 1 2 3 4 5 6; do
    run "jump$i" 2.5
done
until_true 10 "they run" began jump1 jump2 jump3 jump4 jump5 jump6
clock one 3600
done_all jump1 jump2 jump3 jump4 jump5 jump6
once jump1 jump2 jump3 jump4 jump5 jump6
run after 0
done_all after
ok "work goes on"

# An hour back, and a worker is killed: its lease lies an hour ahead.
for i in 1 2 3 4 5 6 7 8 9; do
    run "back$i" 3
done
until_true 10 "they run" began back1 back2 back3 back4 back5 back6 back7 back8
of ahead back 9
clock one 0
kill_hard "$ahead"
elsewhere 6000
done_all back1 back2 back3 back4 back5 back6 back7 back8 back9
only_mine back 9

# Redis moves to a host whose clock is an hour late, and a worker is killed.
clock two -3600
for i in 1 2 3 4 5 6; do
    run "host$i" 3
done
until_true 10 "they run" began host1 host2 host3 host4 host5 host6
of behind host 6
redis-cli -s "$tmp/redis.sock" shutdown >/dev/null 2>&1
ended "$redis" 10
kill_hard "$behind"
redis two
elsewhere 6000
done_all host1 host2 host3 host4 host5 host6
only_mine host 6
run "last" 0
done_all last
fsck_clean
passed
