#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Webhooks of real brokers: ends of tasks are posted, signed, again until they are
# accepted; what does not fit is not; a redirect is not followed; after SIGTERM or
# kill -9 of the sender in the middle another broker goes on with what was on its
# way; over TLS only to who has the certificate; a bad configuration is refused.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/broker.sh"
secret=0123456789abcdef-secret
cd "$tmp" || exit 1

redis-server --port 0 --unixsocket "$tmp/s" --dir "$tmp" --save '' \
    >"$tmp/redis.log" 2>&1 </dev/null &
pids+=("$!")
until_true 5 "Redis runs" test -S "$tmp/s"
export STINT_URL=unix://$tmp/s
printf '%s\n' "$secret" >secret
chmod 600 secret

# receiver DIR [CERTIFICATE KEY]
receiver() {
    mkdir "$1"
    : >"$1/received"
    echo 200 >"$1/answer"
    python3 "$here/webhook_receiver.py" "$1" "$secret" "${@:2}" \
        >"$1/log" 2>&1 </dev/null &
    pids+=("$!")
    until_true 10 "the receiver $1 runs" test -s "$1/port"
}
# hook NAME URL
hook() {
    echo '{"name":"'"$1"'","url":"'"$2"'","secret_file":"'"$tmp"'/secret",
        "functions":["f"],"statuses":["STOPPED","FAILED"],"timeout_s":8}'
}
receiver plain
hooks=$(hook h "http://127.0.0.1:$(cat plain/port)/hook?x=1")

# A CA of our own, and a receiver whose certificate is for its address only.
with_tls=
if command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem \
        -days 2 -subj '/CN=Test CA' 2>/dev/null &&
        openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr \
            -subj /CN=receiver 2>/dev/null &&
        openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
            -out tls.pem -days 2 -extfile <(echo subjectAltName=IP:127.0.0.1) \
            2>/dev/null || fail "openssl"
    exits "is https there?" 2 "$STINT" broker --listen nowhere --config <(
        echo '{"webhooks":[{"name":"x","url":"https://h/"}]}')
    case $errout in *libevent_openssl*) ;; *) with_tls=1 ;; esac
fi
if [ -n "$with_tls" ]; then
    receiver tls tls.pem tls.key
    hooks+=,$(hook s "https://127.0.0.1:$(cat tls/port)/safe")
    hooks+=,$(hook w "https://localhost:$(cat tls/port)/wrong")
fi
echo '{"webhooks": ['"$hooks"']}' >broker.json

sends() { # NAME
    broker "$1" --config broker.json --log-level debug
}
export SSL_CERT_FILE=$tmp/ca.pem
# The pid of the broker that sends.
sender() {
    redis-cli -s s HGET '{stint}:readers' webhook:h |
        sed -nE 's/^broker\.([0-9]+)\.[^ ]* [0-9]+ [0-9].*/\1/p'
}
has_place() {
    [ -n "$(sender)" ]
}
end_task() { # ID FUNCTION
    "$STINT" queue-task "$2" --id "$1" >/dev/null && "$STINT" stop-task "$1" >/dev/null ||
        fail "$1 is not stopped"
}
received() { # PATTERN [DIR]
    grep -q "$1" "${2:-plain}/received"
}

# ---- One of them ---------------------------------------------------------------

echo "500 500 200" >plain/answer
exits "events are on" 0 "$STINT" group main --events 1000
sends a
a=$broker_pid
until_true 5 "it has a place" has_place
equal "it is the broker" "$a" "$(sender)"
end_task other g
end_task one f
until_true 10 "it is accepted" received '^200.*"id":"one"'
equal "after two that failed" "500 500 200 " \
    "$(grep '"id":"one"' plain/received | cut -d' ' -f1 | tr '\n' ' ')"
equal "all of them signed" 3 "$(grep -c ' signed main/' plain/received)"
equal "all the same delivery" 1 "$(cut -d' ' -f3 plain/received | sort -u | wc -l)"
contains "to the URL" " /hook?x=1 " "$(tail -n 1 plain/received)"
contains "with its state" '"status":"STOPPED"' "$(tail -n 1 plain/received)"
contains "and what the task says" '"times_run":0' "$(tail -n 1 plain/received)"
received '"id":"other"' && fail "one that does not fit was sent"
ok "what does not fit is not sent"
if [ -n "$with_tls" ]; then
    until_true 5 "over TLS" received '^200 signed .* /safe .*"id":"one"' tls
    received ' /wrong ' tls && fail "sent to who has not the name's certificate"
    ok "not to another name"
fi

# ---- Two of them: SIGTERM in the middle, kill -9 in the middle -----------------

sends b
b=$broker_pid
# delivery ID: how it was called at first
delivery() {
    grep "\"id\":\"$1\"" plain/received | head -n 1 | cut -d' ' -f3
}
# goes_on ID WHAT: whoever is left sends it, as what it was
goes_on() {
    until_true 14 "$2: another goes on" received "^200.*\"id\":\"$1\""
    equal "with the same delivery" "$(delivery "$1")" \
        "$(grep "^200.*\"id\":\"$1\"" plain/received | cut -d' ' -f3 | sort -u)"
}
echo "slow 200" >plain/answer
end_task two f
until_true 5 "it is on its way" received '^slow.*"id":"two"'
equal "from the first" "$a" "$(sender)"
kill -TERM "$a"
ended "$a" 3
equal "SIGTERM in the middle: it ends" 0 "$ended_status"
logs a "event=stop signal=15" || fail "the end is not logged"
goes_on two "after SIGTERM"
equal "now the other sends" "$b" "$(sender)"

sends c
c=$broker_pid
echo 302 >plain/answer
end_task three f
until_true 5 "a redirect" received '^302.*"id":"three"'
kill_hard "$b"
received ' /elsewhere ' && fail "the redirect was followed"
ok "is not followed"
echo 200 >plain/answer
goes_on three "after kill -9"
equal "now the third sends" "$c" "$(sender)"
equal "what was done is not sent again" 1 \
    "$(grep -c '^200.*"id":"one"' plain/received)"
equal "nothing wrong" 0 "$(cat ./*/received | grep -c WRONG)"
kill -TERM "$c"
ended "$c" 3
equal "it ends" 0 "$ended_status"
grep -qF "$secret" ./*.log && fail "the secret is in a log"
ok "the secret is in no log"

# ---- What is refused -------------------------------------------------------------

refused() { # WHAT TEXT HOOK
    exits "$1" 2 "$STINT" broker --listen 127.0.0.1:0 --config <(
        echo '{"webhooks":['"$3"']}')
    contains "says why" "$2" "$errout"
}
refused "a file" "url must be" '{"name":"x","url":"file:///etc/passwd"}'
refused "a user in the URL" "url must be" '{"name":"x","url":"http://u:p@h/"}'
refused "a key that is not known" "no such key" '{"name":"x","url":"http://h/","uri":1}'
refused "no end state" "no end state" '{"name":"x","url":"http://h/","statuses":["RUNNING"]}'
chmod 644 secret
refused "a secret open to all" "open to others" "$(hook h http://h/)"
passed
