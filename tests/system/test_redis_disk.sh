#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Redis and its disk: a torn append-only file, a broken one, a full disk, an
# fsync that fails, with appendfsync everysec and always. The numbers are rows
# of the catalogue of faults.
#   TEARS=1000 tests/system/test_redis_disk.sh    a torn file so many times
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/redis_lib.sh"
EIO_SHIM=${EIO_SHIM:-$(dirname "$STINT")/tests/eio.so}
export STINT_EIO=$tmp/eio

write_worker

# ---- 24: the tail is torn off, at many places: all agrees, ids are known
redis_up --appendfsync always
redis_wait
queue 300 t note ',"retry_failed":1'
worker w0 --drain
ended "$worker_pid" 60
equal "a drain" 0 "$ended_status"
queue 300 u note ',"priority":2'
cp "$tmp/tasks" "$tmp/again"
redis_kill
log=$(find "$tmp/r" -name '*.incr.aof' | tail -n 1)
size=$(stat -c %s "$log")
cp "$log" "$tmp/whole"
for i in $(seq "${TEARS:-12}"); do
    cp "$tmp/whole" "$log"
    cut=$((i < 4 ? i * 7 : (RANDOM * 32768 + RANDOM) % size))
    truncate -s $((size - cut)) "$log"
    redis_up
    redis_wait >/dev/null
    "$STINT" fsck >"$tmp/fsck.out" 2>&1 ||
        fail "24: $cut bytes torn off: $(head -5 "$tmp/fsck.out")"
    redis_kill
done
ok "24: fsck is clean, however much is torn off"
cp "$tmp/whole" "$log"
truncate -s $((size - 20000)) "$log"
redis_up
redis_wait
# Whoever queued sends again what was not confirmed: nothing is doubled.
"$STINT" queue-task --file "$tmp/again" >"$tmp/ids" 2>"$tmp/queue.log"
worker w1
until_true 60 "24: all of it runs" completed 600
none_twice 300 u
fsck_clean

# ---- 28: fsync fails, everysec: refused for ever; the cure is known
redis_kill
LD_PRELOAD=$EIO_SHIM redis_up --appendfsync everysec
redis_wait
until_true 20 "the worker is back" completed 600
queue 20 e note
touch "$STINT_EIO"
until_refused() {
    ! timeout 20 "$STINT" queue-task noop >/dev/null 2>"$tmp/refused"
}
until_true 30 "28: refused" until_refused
contains "28: it says why" "MISCONF" "$(cat "$tmp/refused")"
exits "28: looking goes on" 0 "$STINT" list
rm "$STINT_EIO"
R CONFIG SET appendonly no >/dev/null
R CONFIG SET appendonly yes >/dev/null
exits "28: the cure" 0 "$STINT" queue-task note --id e21
until_true 30 "28: the worker goes on alone" completed 621
none_twice 21 e

# ---- 29: the same with always: Redis ends, and comes, and ends
R CONFIG SET appendfsync always >/dev/null
touch "$STINT_EIO"
ends_at_a_write() { # the first may find it loading still
    R SET x 1 >/dev/null 2>&1
    gone "$redis"
}
for i in 1 2 3; do
    until_true 10 "29: Redis has ended" ends_at_a_write
    forget "$redis"
    sleep 0.5
    LD_PRELOAD=$EIO_SHIM redis_up --appendfsync always
    sleep 0.5
done
tries=$(grep -c error= "$tmp/w1.log")
[ "$tries" -lt 60 ] || fail "29: a storm of $tries messages"
rm "$STINT_EIO"
redis_answers || { forget "$redis"; redis_up --appendfsync always; }
redis_wait
exits "29: and goes on" 0 "$STINT" queue-task note --id v1
until_true 30 "29: the worker, too" completed 622
kill_hard "$worker_pid"
redis_kill

# ---- 25: broken in the middle
# break_file DIR: four bytes of its append-only file are wrong
break_file() {
    local file
    for file in $(find "$1" -name '*.incr.aof' -size +0); do
        printf 'BAD!' | dd of="$file" bs=1 seek=1 conv=notrunc 2>/dev/null
    done
}
break_file "$tmp/r"
redis_up
until_true 5 "25: Redis does not start" gone "$redis"
exits "25: the program says so" 3 "$STINT" queue-task noop
forget "$redis"
unset STINT_URL
"$STINT" queue-task noop --id z1 >/dev/null || fail "embedded"
"$STINT" embedded stop >/dev/null
break_file "$STINT_HOME/redis"
exits "25: the embedded one, too" 3 "$STINT" queue-task noop
contains "25: with the cure" "redis-check-aof --fix" "$errout"
rm -r "$STINT_HOME/redis"
# The embedded Redis is cured by whoever comes next; a torn tail is, too.
mkdir -p "$tmp/bin"
cat >"$tmp/bin/redis-server" <<END
#!/bin/sh
export LD_PRELOAD=$EIO_SHIM STINT_EIO=$STINT_EIO
exec $(command -v redis-server) "\$@"
END
chmod +x "$tmp/bin/redis-server"
PATH=$tmp/bin:$PATH "$STINT" queue-task noop --id z1 >/dev/null || fail "z1"
touch "$STINT_EIO"
until_true 30 "28: the embedded one refuses" until_refused
rm "$STINT_EIO"
exits "28: and is cured by the next" 0 "$STINT" queue-task noop --id z2
exits "28: nothing is lost" 0 "$STINT" task-status z1
contains "28: it is logged" "stint: the disk had failed" \
    "$(cat "$STINT_HOME/redis/redis.log")"
"$STINT" queue-task noop --id z3 >/dev/null || fail "z3"
sleep 2
kill -KILL "$(redis_pid)"
sleep 0.2
file=$(find "$STINT_HOME/redis" -name '*.incr.aof' | tail -n 1)
truncate -s -7 "$file"
exits "24: a torn tail of the embedded one" 0 "$STINT" queue-task noop --id z4
contains "24: it is written anew" "stint: the append-only file had a torn" \
    "$(cat "$STINT_HOME/redis/redis.log")"
fsck_clean
"$STINT" embedded stop >/dev/null
export STINT_URL=unix://$tmp/r/s

# ---- 26, 27: the disk is full
dir=$tmp/small
mkdir "$dir"
if mount -t tmpfs -o size=3m tmpfs "$dir" 2>/dev/null; then
    redis_up --appendfsync everysec --auto-aof-rewrite-percentage 0
    redis_wait
    worker w3
    w3=$worker_pid
    queue 30 d note
    until_true 30 "26: a few run" completed 30
    dd if=/dev/zero of="$dir/fill" bs=1k 2>/dev/null
    seq 4000 | sed 's/.*/{"function":"noop","id":"x&"}/' >"$tmp/many"
    timeout 20 "$STINT" queue-task --file "$tmp/many" >/dev/null 2>"$tmp/full"
    contains "26: it says why" "MISCONF" "$(cat "$tmp/full")"
    sleep 2
    kill -0 "$w3" || fail "26: the worker has ended"
    rm "$dir/fill"
    until_ok() {
        timeout 20 "$STINT" queue-task note --id d31 >/dev/null 2>&1
    }
    until_true 30 "26: there is room again" until_ok
    until_true 30 "26: and the worker goes on alone" \
        "$STINT" wait d31 --timeout 1
    fsck_clean
    # 27: what was answered while the disk failed may be lost, never torn.
    dd if=/dev/zero of="$dir/fill" bs=1k 2>/dev/null
    timeout 20 "$STINT" queue-task --file "$tmp/many" >/dev/null 2>&1
    redis_kill
    rm "$dir/fill"
    redis_up --appendfsync everysec
    redis_wait
    fsck_clean
    none_twice 31 d
    kill_hard "$w3"
    redis_kill
    umount "$dir"
else
    echo "skipped: 26 and 27 need a tmpfs, and so root"
fi
passed
