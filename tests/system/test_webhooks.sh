#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Webhooks: ends of tasks are posted, signed, again until they are accepted; what
# does not fit is not; a redirect is not followed; after kill -9 of the sender
# another one goes on with what was on its way; a bad configuration is refused.
. "$(dirname "$0")/lib.sh"
helper=${1:?the helper}
secret=0123456789abcdef-secret

redis-server --port 0 --unixsocket "$tmp/s" --dir "$tmp" --save '' \
    >"$tmp/redis.log" 2>&1 </dev/null &
pids+=("$!")
until_true 5 "Redis runs" test -S "$tmp/s"
export STINT_URL=unix://$tmp/s
printf '%s\n' "$secret" >"$tmp/secret"
chmod 600 "$tmp/secret"
echo "500 500 200" >"$tmp/answer"
: >"$tmp/received"
python3 "$here/webhook_receiver.py" "$tmp" "$secret" \
    >"$tmp/receiver.log" 2>&1 </dev/null &
pids+=("$!")
until_true 10 "the receiver runs" test -s "$tmp/port"
url=http://127.0.0.1:$(cat "$tmp/port")/hook?x=1
hook='{"name":"h","url":"'$url'","secret_file":"'$tmp'/secret","functions":["f"],"statuses":["STOPPED","FAILED"],"timeout_s":2}'
sender() { # LOG
    "$helper" "$STINT_URL" "[$hook]" >"$tmp/$1.log" 2>&1 </dev/null &
    sender=$!
    pids+=("$sender")
}
has_place() {
    redis-cli -s "$tmp/s" HGET '{stint}:readers' webhook:h |
        grep -q '^broker[^ ]* [0-9]* [0-9]'
}
end_task() { # ID FUNCTION
    "$STINT" queue-task "$2" --id "$1" >/dev/null && "$STINT" stop-task "$1" >/dev/null ||
        fail "$1 is not stopped"
}
received() { # PATTERN
    grep -q "$1" "$tmp/received"
}

exits "events are on" 0 "$STINT" group main --events 1000
sender a
until_true 5 "it has a place" has_place
end_task other g
end_task one f
until_true 10 "it is accepted" received '^200.*"id":"one"'
equal "after two that failed" "500 500 200 " \
    "$(grep '"id":"one"' "$tmp/received" | cut -d' ' -f1 | tr '\n' ' ')"
equal "all of them signed" 3 "$(grep -c ' signed main/' "$tmp/received")"
equal "all the same delivery" 1 "$(cut -d' ' -f3 "$tmp/received" | sort -u | wc -l)"
contains "to the URL" " /hook?x=1 " "$(tail -n 1 "$tmp/received")"
contains "with its state" '"status":"STOPPED"' "$(tail -n 1 "$tmp/received")"
contains "and what the task says" '"times_run":0' "$(tail -n 1 "$tmp/received")"
received '"id":"other"' && fail "one that does not fit was sent"
ok "what does not fit is not sent"

echo 302 >"$tmp/answer"
end_task two f
until_true 5 "a redirect" received '^302.*"id":"two"'
kill_hard "$sender"
received ' /elsewhere ' && fail "the redirect was followed"
ok "is not followed"
echo 200 >"$tmp/answer"
sender b
until_true 12 "another goes on" received '^200.*"id":"two"'
received '^200.*"id":"one".*\n.*^200.*"id":"one"' && fail "one came twice"
equal "what was done is not sent again" 1 \
    "$(grep -c '^200.*"id":"one"' "$tmp/received")"
equal "nothing wrong" 0 "$(grep -c WRONG "$tmp/received")"
kill -TERM "$sender"
ended "$sender" 3
equal "it ends" 0 "$ended_status"

refused() { # WHAT TEXT HOOK
    exits "$1" 2 "$helper" "$STINT_URL" "[$3]"
    contains "says why" "$2" "$errout"
}
refused "a file" "url must be" '{"name":"x","url":"file:///etc/passwd"}'
refused "a user in the URL" "url must be" '{"name":"x","url":"http://u:p@h/"}'
refused "a key that is not known" "no such key" '{"name":"x","url":"http://h/","uri":1}'
refused "no end state" "no end state" '{"name":"x","url":"http://h/","statuses":["RUNNING"]}'
chmod 644 "$tmp/secret"
refused "a secret open to all" "open to others" "$hook"
echo "passed: $checks checks"
