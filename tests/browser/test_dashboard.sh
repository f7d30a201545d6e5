#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The dashboard in Chromium: a fleet of two workers, a broker for everybody and
# one with users, a hundred thousand tasks. playwright-core comes from npm, in the
# version and with the sum of package-lock.json; where there is no network,
# STINT_TESTS_OFFLINE=1 leaves this test out.
#   test_dashboard.sh [TEST…]   those of dashboard.mjs; none: all
here_browser=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$(dirname "${STINT:?}")" && pwd)
. "$here_browser/../system/lib.sh"
MANY=${MANY:-100000}

# ---- the browser and its driver ----
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser)} ||
    fail "no Chromium: deploy/packages test installs it"
modules=$build/browser
mkdir -p "$modules"
if ! cmp -s "$here_browser/package-lock.json" "$modules/installed"; then
    cp "$here_browser/package.json" "$here_browser/package-lock.json" "$modules"
    if ! (cd "$modules" && timeout 100 npm ci --ignore-scripts --no-audit \
        --no-fund --no-progress >"$tmp/npm.log" 2>&1 </dev/null); then
        [ "${STINT_TESTS_OFFLINE:-0}" = 1 ] && {
            echo "SKIPPED: playwright-core is not there, and we are offline" >&2
            exit 77
        }
        fail "npm ci in $modules; STINT_TESTS_OFFLINE=1 leaves this test out"
    fi
    cp "$here_browser/package-lock.json" "$modules/installed"
fi

# ---- the fleet ----
cat >"$tmp/hostile.sh" <<'END'
printf '\033[31m\007 <script>window.pwned=1</script> \342\200\256evil\n'
cat
printf '["<script>window.pwned=1</script>", 9007199254740993]' >&"$STINT_RESULT_FD"
END
cat >"$tmp/wrong.sh" <<'END'
echo 'before <script>window.pwned=1</script>'
printf '"><img src=x onerror=window.pwned=1> \342\200\256evil \007\n' >&2
exit 3
END
cat >"$tmp/slow.sh" <<'END'
i=0
while [ $i -lt 300 ]; do
    i=$((i + 1))
    echo "line $i <b>not bold</b>"
    sleep 0.2
done
END
cat >"$tmp/worker.json" <<END
{"groups": ["main", "side"], "concurrency": 4, "tasks": {
  "echo": {"exec": ["echo", "{args}"]},
  "hostile": {"exec": ["bash", "$tmp/hostile.sh"]},
  "wrong": {"exec": ["sh", "$tmp/wrong.sh"]},
  "slow": {"exec": ["sh", "$tmp/slow.sh"]}}}
END
"$STINT" stats >/dev/null 2>"$tmp/stats.log" </dev/null || fail "no Redis"
worker w1
worker w2

# broker NAME [options]: in the background; its address to $url
broker() {
    local name=$1
    shift
    "$STINT" broker --listen 127.0.0.1:0 "$@" >"$tmp/$name.url" \
        2>"$tmp/$name.log" </dev/null &
    pids+=($!)
    until_true 10 "the broker $name listens" test -s "$tmp/$name.url"
    url=$(head -n 1 "$tmp/$name.url")
}
broker open
BROKER_URL=$url
cat >"$tmp/users" <<'END'
reader:READER_HASH:read
boss:BOSS_HASH:admin
END
for user in reader boss; do
    hash=$(openssl passwd -6 "secret-of-$user") || fail "openssl passwd"
    sed -i "s|^$user:[A-Z_]*|$user:$hash|" "$tmp/users"
done
chmod 600 "$tmp/users"
broker safe --users-file "$tmp/users"
SAFE_URL=$url

# queue KIND [N]
queue() {
    node "$here_browser/payload.mjs" "$@" >"$tmp/tasks.jsonl" &&
        timeout 60 "$STINT" queue-task --file "$tmp/tasks.jsonl" \
            >"$tmp/queued.log" 2>&1 </dev/null || fail "queueing $1"
}
for group in main side; do
    timeout 10 "$STINT" group "$group" --events 2000 >"$tmp/group.log" 2>&1 \
        </dev/null || fail "events of $group"
done
queue few
queue side
queue many "$MANY"
until_true 20 "the graph's child ran" has_status COMPLETED child-000000000001
until_true 20 "the one that fails has failed" has_status FAILED wrong-000000000001

IDS='{"hostile":"hostile-0000000001","wrong":"wrong-000000000001",
"tagged":"tagged-00000000001","held":"held-0000000000001",
"child":"child-000000000001","cron":"cron-0000000000001"}'
export IDS MANY BROKER_URL SAFE_URL
export CHROMIUM=$chromium BROWSER_MODULES=$modules
export SCREENSHOTS=$build/screenshots PAYLOAD=$here_browser/payload.mjs
mkdir -p "$tmp/profile"
TMPDIR=$tmp/profile timeout -k 5 110 node "$here_browser/dashboard.mjs" "$@" \
    </dev/null || fail "the dashboard"
fsck_clean
passed
