#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The life of brokers: Redis that goes and comes, one of two killed, streams of
# events, and the end.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/broker.sh"
cd "$tmp" || exit 1

# ---- Redis -------------------------------------------------------------------

redis-server --port 0 --unixsocket "$tmp/r.sock" --dir "$tmp" --save '' \
    --daemonize no >redis.log 2>&1 </dev/null &
redis=$!
pids+=("$redis")
export STINT_URL=unix://$tmp/r.sock
until_true 10 "Redis is there" redis-cli -s r.sock ping
# status PATH WANTED: within 12 s
status() {
    [ "$(curl -s -o answer -w '%{http_code}' --max-time 12 "$url$1")" = "$2" ]
}
broker first
until_true 10 "it answers" status /api/v1/groups 200
kill_hard "$redis"
status /healthz 200 || fail "healthz without Redis"
ok "it lives without Redis"
status /api/v1/groups 503 || fail "groups without Redis: $(cat answer)"
contains "without Redis" "urn:stint:redis-unreachable" "$(cat answer)"
# Calls that wait are not lost when it comes back, and others do not wait.
curl -s -o waited -w '%{http_code}' --max-time 15 "$url/api/v1/groups" \
    >waited.status &
waiter=$!
redis-server --port 0 --unixsocket "$tmp/r.sock" --dir "$tmp" --save '' \
    --daemonize no >>redis.log 2>&1 </dev/null &
redis=$!
pids+=("$redis")
wait "$waiter"
equal "a call over a restart" 200 "$(cat waited.status)"

# ---- Two of them: the duties of time go on -----------------------------------

leader() {
    redis-cli -s r.sock GET '{stint}:leader' | cut -d. -f2
}
leads() {
    [ "$(leader)" = "$1" ]
}
first=$broker_pid first_url=$url
until_true 15 "the first one leads" leads "$first"
broker second
second=$broker_pid
"$STINT" workers >workers.out || fail "workers"
equal "brokers are no workers" 1 "$(wc -l <workers.out)"
kill_hard "$first"
"$STINT" queue-task --id late --stop-time +0.5s --start-time +0.2s f \
    >/dev/null || fail "queue-task"
until_true 15 "the other takes over" leads "$second"
until_true 10 "and expires what is due" has_status EXPIRED late
[ "$first_url" != "$url" ] || fail "two brokers on one port"

# ---- Events ------------------------------------------------------------------

python3 "$here/broker_stream.py" "$url" "$STINT" </dev/null >stream.out 2>&1 ||
    fail "$(tail -n 5 stream.out)"
ok "events: $(grep -c '^ok' stream.out) checks"

# ---- The end -----------------------------------------------------------------

# Streams and idle connections do not hold it up; another leads at once.
curl -sN --max-time 20 "$url/api/v1/events/stream" >stream 2>/dev/null &
reader=$!
until_true 5 "a stream is open" test -s stream
broker third
third=$broker_pid
began=$SECONDS
kill -TERM "$second"
ended "$second" 6
equal "it ends well" 0 "$ended_status"
[ $((SECONDS - began)) -le 4 ] || fail "it took long to end"
wait "$reader"
equal "the stream was ended, not cut" 0 "$?"
until_true 4 "the third one leads at once" leads "$third"
kill -INT "$third"
ended "$third" 6
equal "SIGINT, too" 0 "$ended_status"
fsck_clean
passed
