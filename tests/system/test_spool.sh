#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Redis is away; tasks go into a spool by several processes, some of which are
# killed; the power goes at any byte; Redis comes back, replays are killed, too:
# each task that was acknowledged runs once. Full, on a full disk, with a file
# size limit: an error and no lie.
# shellcheck disable=SC2317 # functions are called by until_true
. "$(dirname "$0")/lib.sh"

export STINT_URL=unix://$tmp/redis.sock STINT_SPOOL=$tmp/spool
redis() {
    redis-server --port 0 --unixsocket "$tmp/redis.sock" --save "" \
        --appendonly yes --dir "$tmp" >>"$tmp/redis.log" 2>&1 </dev/null &
    redis=$!
    pids+=("$redis")
    until_true 10 "Redis is there" redis-cli -s "$tmp/redis.sock" ping \
        >/dev/null
}
no_redis() {
    kill_hard "$redis"
}
spool() { # the number of that name
    "$STINT" spool status --json | json_field "$1"
}
cat >"$tmp/worker.json" <<END
{"concurrency": 8, "tasks": {
  "note": {"exec": ["sh", "-c", "echo \$STINT_TASK_ID >>$tmp/ran"]},
  "noop": {"module": "$NOOP_MODULE"}}}
END

# ---- What is said ----------------------------------------------------------

exits "queueing without Redis" 0 "$STINT" queue-task note --id one --json
equal "says that it is spooled" \
    '{"id":"one","errors":{},"spooled":true}' "$out"
exits "a replay without Redis" 3 "$STINT" spool replay
equal "one waits" 1 "$(spool tasks)"
exits "what is wrong is refused all the same" 2 "$STINT" queue-task 'no no'
exits "without a spool it is an error" 3 env -u STINT_SPOOL "$STINT" \
    queue-task note
equal "the directory is ours alone" 700 "$(stat -c %a "$STINT_SPOOL")"
equal "and so are the files" "" \
    "$(find "$STINT_SPOOL" -type f ! -perm 600)"

# ---- Several processes, killed ----------------------------------------------

seq 200 | sed 's/.*/{"function":"note","id":"file-&"}/' >"$tmp/tasks"
singles() { # K: acknowledged ids to acks.K
    for i in $(seq 25); do
        "$STINT" queue-task note --id "p$1-$i" 2>/dev/null
    done >"$tmp/acks.$1"
}
writers=()
for k in 1 2 3 4; do
    singles "$k" &
    writers+=($!)
done
# These are killed at some point: their calls are whole or not there.
for k in 1 2 3 4 5 6 7 8; do
    sed "s/file-/k$k-/" "$tmp/tasks" >"$tmp/tasks.$k"
    timeout -s KILL "0.0$k" "$STINT" queue-task --file "$tmp/tasks.$k" \
        >"$tmp/acks.k$k" 2>/dev/null
done
wait "${writers[@]}"
exits "a file goes there, too" 0 "$STINT" queue-task --file "$tmp/tasks" --json
equal "and says so for each" 200 "$(grep -c '"spooled":true' "$tmp/out")"
cat "$tmp"/acks.[0-9] >"$tmp/acked"
echo one >>"$tmp/acked"
seq 200 | sed 's/^/file-/' >>"$tmp/acked"
# A killed one that had printed its ids had them on the disk; of lines that are
# not whole nobody has heard.
for k in 1 2 3 4 5 6 7 8; do
    [ "$(grep -c "^k$k-" "$tmp/acks.k$k")" -lt 200 ] ||
        cat "$tmp/acks.k$k" >>"$tmp/acked"
done
n=$(spool tasks)
equal "calls are whole" 0 $(((n - 301) % 200))

# ---- The power goes ---------------------------------------------------------

# A last call, cut off at some places: it is gone, the others are not.
"$STINT" queue-task note --id torn >/dev/null 2>&1
last=$(find "$STINT_SPOOL" -name '*.spool' | sort | tail -n 1)
size=$(stat -c %s "$last")
cp "$last" "$tmp/whole"
for cut in 1 2 30 60; do
    truncate -s $((size - cut)) "$last"
    equal "cut off by $cut bytes only that call is gone" "$n" "$(spool tasks)"
done
exits "the next one goes behind what is whole" 0 "$STINT" queue-task note \
    --id after-torn
echo after-torn >>"$tmp/acked"
equal "and is there" $((n + 1)) "$(spool tasks)"
equal "nothing is damaged" 0 "$(spool damaged_bytes)"

# ---- Full -------------------------------------------------------------------

before=$(cksum "$last")
exits "a full spool refuses" 3 "$STINT" queue-task note --spool-max 1000
contains "and says so" "is full" "$errout"
exits "a file size limit is an error" 3 bash -c \
    "trap '' XFSZ; ulimit -f 1; exec '$STINT' queue-task note"
contains "which is told" "File too large" "$errout"
equal "nothing was written" "$before" "$(cksum "$last")"
if mkdir "$tmp/small" && mount -t tmpfs -o size=64k,mode=700 none \
    "$tmp/small" 2>/dev/null; then
    acked=0
    for i in $(seq 100); do
        "$STINT" queue-task note --id "s$i" --spool "$tmp/small" \
            --vars "{\"x\":\"$(printf '%02000d' 0)\"}" \
            >/dev/null 2>"$tmp/errout" || break
        acked=$i
    done
    kept=$("$STINT" spool status --spool "$tmp/small" --json | json_field tasks)
    umount "$tmp/small"
    [ "$acked" -gt 5 ] && [ "$acked" -lt 100 ] || fail "no full disk: $acked"
    contains "a full disk is an error" "No space left" "$(cat "$tmp/errout")"
    equal "and keeps what was said to be kept" "$acked" "$kept"
fi

# ---- Redis is back ------------------------------------------------------------

# One whose time is over until then, one with an id that is taken.
"$STINT" queue-task note --id late --stop-time +0.2s >/dev/null 2>&1
"$STINT" queue-task note --id one --args '["other"]' >/dev/null 2>&1
sleep 0.3
total=$(spool tasks)
redis
for i in 1 2 3 4 5 6; do
    timeout -s KILL "0.00$i" "$STINT" spool replay >/dev/null 2>&1
done
"$STINT" spool replay >"$tmp/r1" 2>/dev/null &
r1=$!
"$STINT" queue-task note --id fresh >/dev/null 2>"$tmp/errout" &
r2=$!
wait "$r1"
wait "$r2"
echo fresh >>"$tmp/acked"
"$STINT" spool replay >/dev/null 2>&1
equal "all of $total are replayed" 0 "$(spool tasks)"
# A replay that was killed may have told one twice.
equal "with the two that were refused" "late one " \
    "$(grep -o '"id":"[^"]*"' "$STINT_SPOOL/refused" | cut -d'"' -f4 |
        sort -u | tr '\n' ' ')"
contains "one for its time" "stop_time" \
    "$(grep '"id":"late"' "$STINT_SPOOL/refused")"
contains "one for its id" "already" \
    "$(grep '"id":"one"' "$STINT_SPOOL/refused")"
equal "no segments are left" "" "$(find "$STINT_SPOOL" -name '*.spool')"
# What was refused can be queued again.
grep '"id":"late"' "$STINT_SPOOL/refused" | head -n 1 |
    sed 's/.*"task"://; s/}$//; s/,"stop_time":"[^"]*"//' |
    "$STINT" queue-task --file - >>"$tmp/acked" || fail "queueing it again"
fsck_clean
worker one --drain
ended "$worker_pid" 60
equal "the worker has drained" 0 "$ended_status"
sort "$tmp/ran" | uniq -d >"$tmp/twice"
equal "none ran twice" "" "$(cat "$tmp/twice")"
sort "$tmp/acked" >"$tmp/acked.sorted"
sort "$tmp/ran" | comm -23 "$tmp/acked.sorted" - >"$tmp/lost"
equal "none is lost" "" "$(cat "$tmp/lost")"
fsck_clean

# ---- Redis hangs: the outcome is unknown -------------------------------------

kill -STOP "$redis"
"$STINT" queue-task note --id hung --json >"$tmp/out" 2>/dev/null
contains "Redis that hangs is away" '"spooled":true' "$(cat "$tmp/out")"
kill -CONT "$redis"
exits "and back" 0 "$STINT" spool replay --json
contains "with the task" '"queued":1' "$out"
worker two --drain
ended "$worker_pid" 60
equal "which ran once" 1 "$(grep -c '^hung$' "$tmp/ran")"

# ---- In order -----------------------------------------------------------------

no_redis
for i in $(seq 20); do
    "$STINT" queue-task later --id "o$i" >/dev/null 2>&1
done
redis
"$STINT" queue-task later --id o21 >/dev/null 2>&1 || fail "queueing o21"
equal "the order is that of queueing" \
    "$(seq 21 | sed 's/^/o/' | tr '\n' ' ')" \
    "$(redis-cli -s "$tmp/redis.sock" zrange '{stint:main}:queued' 0 -1 |
        tr '\n' ' ')"
passed
