#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a worker tells its service manager, over both kinds of sockets; and a
# broker.
. "$(dirname "$0")/lib.sh"

cat >"$tmp/worker.json" <<'END'
{"tasks": {"echo": {"exec": ["echo"]}}}
END

# manager ADDRESS FILE: writes what comes to the socket, a line each
manager() {
    python3 - "$1" "$2" <<'END' &
import os, socket, sys
address, path = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\0" + address[1:] if address[0] == "@" else address)
out = open(path, "w", buffering=1)
print("listening", file=out)
while True:
    print(s.recv(4096).decode().replace("\n", " "), file=out)
END
    manager=$!
    pids+=("$manager")
    until_true 10 "the manager listens" test -s "$2"
}
has() {
    grep -qE "$1" "$said"
}
times() {
    [ "$(grep -c "$1" "$said")" -ge "$2" ]
}

for address in "$tmp/notify" "@stint-test-$$"; do
    said=$tmp/said
    rm -f "$said"
    manager "$address" "$said"
    NOTIFY_SOCKET=$address WATCHDOG_USEC=400000 "$STINT" worker \
        --config "$tmp/worker.json" --name w >>"$tmp/w.log" 2>&1 </dev/null &
    w=$!
    pids+=("$w")
    until_true 10 "READY" has '^READY=1$'
    until_true 5 "a status" has '^STATUS=ACTIVE: 0 of [0-9]+ running, 0 runs'
    until_true 5 "WATCHDOG, again and again" times '^WATCHDOG=1$' 5
    kill -HUP "$w"
    until_true 5 "RELOADING" has '^RELOADING=1 MONOTONIC_USEC=[0-9]+$'
    until_true 5 "and READY again" times '^READY=1$' 2
    # Stopped, it does not say that it lives.
    kill -STOP "$w"
    sleep 0.3
    n=$(grep -c WATCHDOG "$said")
    sleep 0.6
    equal "a worker that stands still is silent" "$n" \
        "$(grep -c WATCHDOG "$said")"
    kill -CONT "$w"
    kill "$w"
    ended "$w" 10
    equal "it ends well" 0 "$ended_status"
    has '^STOPPING=1$' || fail "STOPPING: $(cat "$said")"
    equal "READY came before all" "READY=1" \
        "$(grep -vE 'listening|WATCHDOG' "$said" | head -n 1)"
    kill_hard "$manager"
done

# ---- A broker ----------------------------------------------------------------

said=$tmp/said-broker
manager "$tmp/notify-broker" "$said"
echo '0123456789abcdefghij admin' >"$tmp/tokens"
chmod 600 "$tmp/tokens"
NOTIFY_SOCKET=$tmp/notify-broker WATCHDOG_USEC=400000 "$STINT" broker \
    --listen 127.0.0.1:0 --token-file "$tmp/tokens" >"$tmp/b.out" \
    2>>"$tmp/b.log" </dev/null &
b=$!
pids+=("$b")
until_true 10 "a broker: READY" has '^READY=1$'
[ -s "$tmp/b.out" ] || fail "READY before it listens"
until_true 5 "WATCHDOG, again and again" times '^WATCHDOG=1$' 5
for line in '0123456789abcdefghij read' broken; do # taken, and refused
    n=$(grep -c '^READY=1$' "$said")
    echo "$line" >"$tmp/tokens"
    kill -HUP "$b"
    until_true 5 "RELOADING" times '^RELOADING=1 MONOTONIC_USEC=[0-9]*$' "$n"
    until_true 5 "and READY again" times '^READY=1$' $((n + 1))
done
kill -STOP "$b"
sleep 0.3
n=$(grep -c WATCHDOG "$said")
sleep 0.6
equal "one that stands still is silent" "$n" "$(grep -c WATCHDOG "$said")"
kill -CONT "$b"
kill "$b"
ended "$b" 10
equal "it ends well" 0 "$ended_status"
equal "all in order" \
    "READY=1 RELOADING=1 READY=1 RELOADING=1 READY=1 STOPPING=1" \
    "$(sed -E '/listening|WATCHDOG/d; s/ MONO.*//' "$said" | paste -sd' ')"
said=$tmp/said-none
manager "$tmp/notify-none" "$said"
NOTIFY_SOCKET=$tmp/notify-none "$STINT" broker --listen nowhere \
    >>"$tmp/b.log" 2>&1 </dev/null
equal "one that cannot listen says nothing" "listening" "$(cat "$said")"

# Of another process: not ours to feed.
said=$tmp/said-other
manager "$tmp/other" "$said"
NOTIFY_SOCKET=$tmp/other WATCHDOG_USEC=400000 WATCHDOG_PID=1 "$STINT" worker \
    --config "$tmp/worker.json" --max-empty-runs 1 --heartbeat 0.6 \
    >>"$tmp/w.log" 2>&1 </dev/null
has 'READY' || fail "READY: $(cat "$said")"
has 'WATCHDOG' && fail "it feeds another's watchdog"
ok "a watchdog of another process is left alone"
NOTIFY_SOCKET=$tmp/nobody "$STINT" worker --config "$tmp/worker.json" \
    --max-empty-runs 1 --heartbeat 0.3 >>"$tmp/w.log" 2>&1 </dev/null ||
    fail "nobody hears, and it fails"
ok "that nobody hears changes nothing"
passed
