#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What deploy/ has for those who run it: units, Redis's configuration, log
# rotation, each read by the program that it is for.
. "$(dirname "$0")/lib.sh"
deploy=$here/../../deploy

# The units, with our program in place of the installed one.
mkdir "$tmp/units"
for unit in stint-worker@.service stint-broker.service; do
    sed "s|/usr/bin/stint|$STINT|" "$deploy/systemd/$unit" >"$tmp/units/$unit"
done
if [ -n "$(command -v systemd-analyze)" ]; then
    exits "the units are well-formed" 0 systemd-analyze verify --man=no \
        "$tmp/units/stint-worker@.service" "$tmp/units/stint-broker.service"
    equal "nothing is warned of" "" "$(grep -F "$tmp/units" <<<"$errout")"
    for unit in stint-worker@ stint-broker; do
        level=$(systemd-analyze security --offline=true \
            "$tmp/units/$unit.service" 2>/dev/null |
            sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
        awk -v level="$level" 'BEGIN {exit !(level != "" && level < 2.5)}' ||
            fail "$unit: exposure $level"
        ok "$unit is closed: $level"
    done
else
    echo "systemd-analyze is not here: the units are not checked"
fi
# Without a service manager: the options at least are ones that there are.
line=$(sed -n 's|^ExecStart=/usr/bin/stint ||p' \
    "$deploy/systemd/stint-worker@.service")
for option in $(grep -o -- '--[a-z-]*' <<<"$line"); do
    "$STINT" worker --help | grep -q -- "$option " ||
        fail "stint worker has no $option"
done
ok "the worker's options"

# Redis, with a directory and users of ours.
mkdir "$tmp/redis"
echo 'user default on nopass ~* &* +@all' >"$tmp/redis/users.acl"
sed "s|/var/lib/redis|$tmp/redis|; s|/run/redis|$tmp/redis|
     s|/etc/redis|$tmp/redis|" "$deploy/redis/redis.conf" >"$tmp/redis/redis.conf"
grep -v '^#' "$tmp/redis/redis.conf" | grep -q 'tls' && fail "TLS is on"
redis-server "$tmp/redis/redis.conf" >"$tmp/redis.log" 2>&1 </dev/null &
redis=$!
pids+=("$redis")
answers() {
    redis-cli -s "$tmp/redis/redis.sock" PING >/dev/null 2>&1
}
until_true 10 "Redis starts with redis.conf" answers
export STINT_URL=unix://$tmp/redis/redis.sock
cp "$deploy/systemd/stint-worker.json" "$tmp/worker.json"
chmod 0640 "$tmp/worker.json"
worker w
until_true 10 "a worker starts with stint-worker.json" \
    grep -q event=connect "$tmp/w.log"
id=$("$STINT" queue-task sha256 --args '["/dev/null"]')
exits "it runs a task" 0 "$STINT" wait "$id" --timeout 20
exits "doctor" 0 "$STINT" doctor
grep -q event=settings "$tmp/w.log" && fail "its settings are warned of"
ok "nothing is wrong with it"
kill "$worker_pid"
ended "$worker_pid" 10

if [ -n "$(command -v logrotate)" ]; then
    # The user need not be here, and the files are ours.
    sed "/^ *su /d; s|/var/log/stint|$tmp|" "$deploy/logrotate/stint" \
        >"$tmp/logrotate"
    chmod 0644 "$tmp/logrotate"
    exits "logrotate reads its file" 0 logrotate --debug \
        --state "$tmp/logrotate.state" "$tmp/logrotate"
    equal "without an error" "" "$(grep '^error' <<<"$errout")"
fi
kill "$redis"
passed
