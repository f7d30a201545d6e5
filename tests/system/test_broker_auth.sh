#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Who may do what at a broker: threats S10, S11, S13 and those of sessions.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/broker.sh"
cd "$tmp" || exit 1
auth() {
    python3 "$here/broker_auth.py" "$@" </dev/null >"$tmp/auth.out" 2>&1 ||
        fail "$1: $(tail -n 3 "$tmp/auth.out")"
    ok "$1: $(grep -c '^ok' "$tmp/auth.out") checks"
}

# ---- Where it listens --------------------------------------------------------

# Passwords: correct horse, viewer pass, queue pass.
cat >users <<'EOF'
ann:$6$rounds=1000$saltsalt$4GMtaIz3E1AdDi2SmCokEW0ehi.HdxNDcL3fGE1XXuzvo6kbx7UOloZKONqEk5H3JrQA4NOfU8BmqFPrpGqwA1:admin
vera:$y$j75$saltsaltsaltsalt$GpZDSNG8DZziuF1ZxeEXei7S03vJ685MQk1ydDHC18B:read
quinn:$5$rounds=1000$saltsalt$FacaWATG584es9H0RERSNj3XT8jxuyAmBydIo3NCL85:queue
EOF
cat >tokens <<'EOF'
# token role name
reader-reader-reader-1 read prometheus
queuer-queuer-queuer-1 queue
admin-admin-admin-admin-1 admin ops
EOF
chmod 600 users tokens
for at in 0.0.0.0:0 '[::]:0'; do
    exits "$at without users" 2 "$STINT" broker --listen "$at"
    contains "says why" "is not loopback" "$errout"
done
exits "one of two is enough" 2 "$STINT" broker --listen 127.0.0.1:0 \
    --listen 0.0.0.0:0
equal "nothing was listened on" "" "$out"
chmod 660 tokens
exits "tokens that others may read" 2 "$STINT" broker --token-file tokens
contains "says so" "chmod 600" "$errout"
chmod 600 tokens
exits "no address" 2 "$STINT" broker --listen nowhere
exits "an unknown key" 2 "$STINT" broker --config <(echo '{"lissten":[]}')
contains "names it" "lissten" "$errout"
exits "no key" 2 "$STINT" broker --tls-certificate users

# ---- Nobody is asked ---------------------------------------------------------

broker open --allow-host stint.example
auth open "$url"
kill_hard "$broker_pid"

# ---- Somebody is -------------------------------------------------------------

printf '{"users_file": "%s", "token_file": "%s", "hide": ["x"],
         "limits": {"requests_per_s": 100, "burst": 200}}' \
    "$tmp/users" "$tmp/tokens" >broker.json
broker users --config broker.json
auth roles "$url"
auth sessions "$url"
# A broken file changes nothing; a good one does.
cp users good
echo 'eve:no hash:admin' >>users
kill -HUP "$broker_pid"
until_true 5 "the broken file is refused" logs users "event=reload error="
auth reload "$url" ann "correct horse" 200
auth reload "$url" eve x 401
sed '/^vera/d; s/^quinn/eve/' good >users
kill -HUP "$broker_pid"
until_true 5 "the good file is taken" logs users \
    "level=info event=reload users=2 tokens=3"
auth reload "$url" eve "queue pass" 200
auth reload "$url" vera "viewer pass" 401
auth guessing "$url"
kill -TERM "$broker_pid"
ended "$broker_pid" 8
equal "it stops" 0 "$ended_status"
grep -qE 'level=warn event=login_refused user=ann address="127.0.0.1"$' \
    users.log || fail "a refused login is not logged: $(cat users.log)"
grep -qE 'event=login user=eve role=[a-z]+ address="127.0.0.1"$' users.log ||
    fail "a login is not logged: $(cat users.log)"
grep -q 'event=request' users.log && fail "requests are logged at info"
grep -v 'WARNING: ASan' users.log |
    grep -vE '^time=[^ ]+ level=(error|warn|info) event=[a-z_]+( [a-z_]+=("([^"\\]|\\.)*"|[^" ]+))*$' \
        >form && fail "not in the form of a log: $(cat form)"
ok "the log has its form"
if grep -qE 'reader-reader|correct horse|wrong' users.log; then
    fail "a secret is in the log"
fi
ok "no secret is in the log"

# Beyond loopback, now that somebody is asked.
"$STINT" broker --listen 0.0.0.0:0 --token-file tokens >all.out 2>all.log \
    </dev/null &
pids+=("$!")
until_true 10 "it listens on all" test -s all.out
kill_hard "${pids[-1]}"

# ---- TLS ---------------------------------------------------------------------

if ! command -v openssl >/dev/null; then
    passed
fi
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem \
    -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
    2>/dev/null || fail "openssl req"
cp good users
chmod 604 key.pem
"$STINT" broker --listen 127.0.0.1:0 --tls-certificate certificate.pem \
    --tls-key key.pem >/dev/null 2>tls.log </dev/null
if logs tls "built without TLS"; then
    passed
fi
logs tls "chmod 600" || fail "a key that others may read: $(cat tls.log)"
ok "a key that others may read is refused"
chmod 600 key.pem
broker tls --users-file users --tls-certificate certificate.pem \
    --tls-key key.pem
contains "by TLS" "https://" "$url"
auth tls "$url" certificate.pem
passed
