#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The trace of who queued a task reaches its run: the environment of a program,
# the frame of a child, a C function, the log.
. "$(dirname "$0")/lib.sh"

trace=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
cat >"$tmp/child.py" <<'END'
import json, os, socket, struct
s = socket.socket(fileno=int(os.environ["STINT_CHILD_FD"]))
f = s.makefile("rwb")
def send(**frame):
    data = json.dumps(frame).encode()
    f.write(struct.pack(">I", len(data)) + data)
    f.flush()
send(type="hello", protocol=1)
while head := f.read(4):
    frame = json.loads(f.read(struct.unpack(">I", head)[0]))
    if frame["type"] == "run":
        send(type="done", run=frame["run"],
             result=frame["task"].get("traceparent", "none"))
    elif frame["type"] == "exit":
        break
END
cat >"$tmp/worker.json" <<END
{"tasks": {
  "program": {"exec": ["sh", "-c", "echo trace=\$(printenv TRACEPARENT || echo none)"]},
  "child": {"child": ["python3", "$tmp/child.py"], "processes": 1},
  "trace": {"module": "$NOOP_MODULE"}}}
END

# traced ID FUNCTION TRACE: as a client that sets it would queue it
traced() {
    "$STINT" queue-task "$2" --id "$1" --timeout 50 --disabled >/dev/null || fail "queueing"
    local task more="{\"traceparent\":\"$3\","
    task=$(redis-cli -s "$STINT_HOME/redis/redis.sock" HGET '{stint:main}:task' \
        "$1") || fail "HGET"
    redis-cli -s "$STINT_HOME/redis/redis.sock" HSET '{stint:main}:task' "$1" \
        "${task/"{"/"$more"}" >/dev/null || fail "HSET"
    "$STINT" enable-task "$1" >/dev/null || fail "enabling"
}

export TRACEPARENT=00-11111111111111111111111111111111-1111111111111111-01
worker w --log-level debug
unset TRACEPARENT
for f in program child trace; do
    traced "$f" "$f" "$trace"
    "$STINT" queue-task "$f" --id "no-$f" >/dev/null || fail "queueing"
done
traced evil program 'x y'
"$STINT" wait program child trace no-program no-child no-trace evil \
    --timeout 20 >/dev/null 2>&1 || fail "they ran: $("$STINT" list)"
equal "a program has it" "trace=$trace" \
    "$("$STINT" task-status program --output | grep -o 'trace=.*')"
equal "or not, and not the worker's own" "trace=none" \
    "$("$STINT" task-status no-program --output | grep -o 'trace=.*')"
equal "what is none is left out" "trace=none" \
    "$("$STINT" task-status evil --output | grep -o 'trace=.*')"
for f in child trace; do
    contains "$f has it" "\"result\":\"$trace\"" \
        "$("$STINT" task-status "$f" --output --json | tr -d '\n ')"
    contains "$f without" '"result":"none"' \
        "$("$STINT" task-status "no-$f" --output --json | tr -d '\n ')"
done
contains "the log, too" "traceparent=$trace" \
    "$(grep 'event=start id=program ' "$tmp/w.log")"
passed
