#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Threats that SECURITY.md names, tried: what a producer may write does not
# become a command, an option, an error reply or a control sequence; secrets do
# not leave their place; files that others may write to are refused.
. "$(dirname "$0")/lib.sh"

start_redis() {
    redis-server --port 0 --unixsocket "$tmp/r.sock" --unixsocketperm 600 \
        --dir "$tmp" --save '' --requirepass canary-7f3a \
        >"$tmp/redis.log" 2>&1 &
    pids+=($!)
}
answers() {
    redis-cli -s "$tmp/r.sock" -a canary-7f3a --no-auth-warning PING \
        >/dev/null 2>&1
}
start_redis
until_true 10 "Redis answers" answers
# In the environment, as SECURITY.md asks: arguments are for all to see.
export STINT_URL=unix://:canary-7f3a@$tmp/r.sock

cat >"$tmp/show" <<'END'
#!/bin/sh
echo "n=$#"
for arg; do printf '<%s>\n' "$arg"; done
END
cat >"$tmp/look" <<'END'
#!/bin/sh
tr '\0' '\n' </proc/self/environ
tr '\0' ' ' </proc/self/cmdline
ls -l /proc/self/fd
END
chmod 755 "$tmp/show" "$tmp/look"
cat >"$tmp/worker.json" <<END
{"concurrency": 4,
 "tasks": {"show": {"exec": ["$tmp/show", "--", "{args}"]},
           "look": {"exec": ["$tmp/look"]},
           "fail": {"exec": ["/bin/cat", "--", "{args.0}"]}}}
END
worker w1
w1=$worker_pid

# S5: no shell, and no option.
args='[";id","$(id)","`id`","-oProxyCommand=id","--checkpoint-action=exec=id","a\nb","| id"]'
"$STINT" queue-task show --id shell --args "$args" >/dev/null
# S3, S4: line ends and protocol in every text.
crlf=$'x\r\n+OK\r\n$3\r\nFOO\r\n*1\r\n'
exits "a name with line ends" 2 "$STINT" queue-task "$crlf"
exits "a group with line ends" 2 "$STINT" queue-task f --group-name "$crlf"
exits "an id with line ends" 2 "$STINT" queue-task f --id "$crlf"
exits "a list of it" 2 "$STINT" list --group "$crlf"
exits "a status of it" 1 "$STINT" task-status "$crlf"
exits "a worker's name of it" 1 "$STINT" disable --worker "$crlf"
json=$(printf '%s' "$crlf" | sed ':a;N;$!ba;s/\r/\\r/g;s/\n/\\n/g')
"$STINT" queue-task fail --id lines --task-name "$json" \
    --args "[\"$json\"]" --vars "{\"$json\": \"$json\"}" >/dev/null ||
    fail "texts with line ends in arguments"
"$STINT" queue-task look --id look >/dev/null
"$STINT" wait shell look >/dev/null || fail "a task failed"
"$STINT" wait lines >/dev/null
out=$("$STINT" task-status shell --output --json)
contains "seven arguments and the guard" 'n=8' "$out"
contains "none of them is run" '<;id>' "$out"
contains "nor is an option" '<--checkpoint-action=exec=id>' "$out"
case "$out" in *uid=*) fail "a shell was there: $out" ;; esac
ok "no shell"
fsck_clean

# S15, S16: what a task sees.
out=$("$STINT" task-status look --output)
case "$out" in *canary-7f3a*) fail "a task sees the password" ;; esac
ok "a task does not see the password"
case "$out" in *socket:*) fail "a task has a socket of ours: $out" ;; esac
ok "nor a connection"
for pid in "$w1"; do
    ! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q canary-7f3a ||
        fail "the worker's arguments"
done
! grep -q canary-7f3a "$tmp/w1.log" || fail "the worker's log has the password"
ok "nor do its arguments and its log have it"
exits "a wrong password" 3 "$STINT" stats --url "unix://:secret-9b@$tmp/r.sock"
case "$errout$out" in *secret-9b*) fail "an error shows a password" ;; esac
ok "an error does not show it"

# S21: control sequences of others on our terminal.
esc=$'\x1b]0;owned\x07'
"$STINT" queue-task fail --id esc --args '["/nope/\u001b]0;owned\u0007"]' \
    --task-name 'x\u001b]0;owned' >/dev/null 2>&1 ||
    "$STINT" queue-task fail --id esc --args '["/nope/\u001b]0;owned\u0007"]' \
        >/dev/null
"$STINT" wait esc >/dev/null 2>&1
for command in "task-status esc" "task-status esc --runs" "list" "why esc"; do
    # shellcheck disable=SC2086
    out=$("$STINT" $command 2>&1)
    case "$out" in *$'\x1b'*) fail "$command passes control bytes on" ;; esac
done
ok "control bytes are escaped"

# S7: who may write what a worker runs.
kill -TERM "$w1"
ended "$w1" 10
for mode in 666 646 662; do
    chmod "$mode" "$tmp/worker.json"
    exits "a configuration of mode $mode" 2 \
        "$STINT" worker --config "$tmp/worker.json" --drain
    contains "it says why" "may be written to by others" "$errout"
done
chmod 644 "$tmp/worker.json"
cp "$NOOP_MODULE" "$tmp/mine.so"
echo "{\"tasks\": {\"noop\": {\"module\": \"$tmp/mine.so\"}}}" >"$tmp/m.json"
chmod 666 "$tmp/mine.so"
exits "a module that others may write to" 2 \
    "$STINT" worker --config "$tmp/m.json" --drain
contains "is named" "mine.so may be written to by others" "$errout"
chmod 755 "$tmp/mine.so"
exits "one that they may not" 0 "$STINT" worker --config "$tmp/m.json" --drain
exits "a directory" 2 "$STINT" worker --config "$tmp" --drain

# S27: the embedded Redis is its user's alone.
unset STINT_URL
export STINT_HOME=$tmp/home
"$STINT" stats >/dev/null || fail "embedded"
[ "$(stat -c %a "$tmp/home/redis")" = 700 ] || fail "its directory"
[ "$(stat -c %a "$tmp/home/redis/redis.sock")" = 600 ] || fail "the socket"
port=$(redis-cli -s "$tmp/home/redis/redis.sock" CONFIG GET port | tail -n 1)
[ "$port" = 0 ] || fail "it listens on port $port"
ok "embedded: 0700, 0600, no TCP"

"$STINT" embedded stop >/dev/null
passed
