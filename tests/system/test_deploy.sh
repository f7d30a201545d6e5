#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What deploy/ has for containers, Kubernetes, Prometheus and Grafana: it is what
# it claims to be, agrees with itself and with the program; the passwords it
# hands around let roles in.
. "$(dirname "$0")/lib.sh"
. "$here/redis_lib.sh"
deploy=$here/../../deploy
docs=$here/../../docs

# ---- Syntax, and what names what ---------------------------------------------
python=
for python in /usr/bin/python3 python3 ''; do
    [ -n "$python" ] && "$python" -c 'import yaml' 2>/dev/null && break
done
if [ -n "$python" ]; then
    "$python" "$here/deploy_check.py" "$deploy" "$tmp" >"$tmp/check.log" 2>&1 ||
        fail "$(cat "$tmp/check.log")"
    ok "$(cat "$tmp/check.log")"
else
    echo "no python3-yaml here: the files are not read"
fi

# ---- Prometheus --------------------------------------------------------------
if command -v promtool >/dev/null 2>&1; then
    exits "the alerts" 0 promtool check rules "$deploy/prometheus/alerts.yaml"
    exits "the example of a configuration" 0 promtool check config \
        --syntax-only "$deploy/prometheus/prometheus.yml"
    cp "$deploy/prometheus/alerts.yaml" "$here/alerts_test.yaml" "$tmp"
    exits "they fire when they should" 0 \
        promtool test rules "$tmp/alerts_test.yaml"
    [ -z "$python" ] ||
        exits "the dashboard's expressions" 0 promtool check rules \
            "$tmp/expressions.yaml"
else
    echo "no promtool here: the rules are not tried"
fi
# Each metric is one that is documented.
if [ -f "$docs/metrics.md" ]; then
    grep -oh '\bstint_[a-z_]*' "$deploy/grafana/stint.json" \
        "$deploy/prometheus/alerts.yaml" \
        "$deploy/kubernetes/autoscale-hpa.yaml" |
        sed 's/_bucket$//; s/_total$//' | sort -u >"$tmp/used"
    grep -oh '\bstint_[a-z_]*' "$docs/metrics.md" |
        sed 's/_total$//' | sort -u >"$tmp/known"
    equal "every metric is in docs/metrics.md" "" \
        "$(comm -23 "$tmp/used" "$tmp/known" | xargs)"
    [ "$(grep -c . "$tmp/used")" -ge 10 ] || fail "hardly any metrics"
fi

# ---- Docker ------------------------------------------------------------------
# What is copied is there, and what is run is executable.
sed -n 's/^COPY \([^-][^ ]*\) .*/\1/p' "$deploy/docker/Dockerfile" |
    while read -r file; do
        [ -e "$deploy/../$file" ] || fail "Dockerfile: no $file"
    done || exit 1
for script in stint-healthy secrets-for-compose; do
    bash -n "$deploy/docker/$script" || fail "$script"
    [ -x "$deploy/docker/$script" ] || fail "$script cannot be executed"
done
ok "the files of the image"

# Secrets: passwords of users let their roles in, and are nobody else's to read.
# In a copy: what is made lies beside the script.
mkdir "$tmp/docker"
cp "$deploy/docker/secrets-for-compose" "$tmp/docker"
exits "deploy/users" 0 "$deploy/users" "$tmp/docker/secrets"
exits "secrets-for-compose" 0 "$tmp/docker/secrets-for-compose"
equal "twice makes the same" "" "$(
    cp -r "$tmp/docker/secrets" "$tmp/first"
    "$tmp/docker/secrets-for-compose" >/dev/null
    for file in deploy broker worker token dashboard tokens; do
        cmp "$tmp/first/$file" "$tmp/docker/secrets/$file"
    done 2>&1
)"
equal "nobody else may read them" "" "$(find "$tmp/docker/secrets" -type f \
    -perm /077 ! -name users.acl.readable)"
contains "who runs the containers" STINT_USER= "$(cat "$tmp/docker/.env")"
redis_up --aclfile "$tmp/docker/secrets/users.acl.readable"
until_true 10 "Redis answers" eval 'R PING 2>&1 | grep -q NOAUTH'
S=$tmp/docker/secrets
exits "library load, as in compose.yaml" 0 env \
    STINT_URL="unix://stint-deploy@$tmp/r/s" STINT_PASSWORD_FILE="$S/deploy" \
    "$STINT" library load
export STINT_URL=unix://stint-worker@$tmp/r/s STINT_PASSWORD_FILE=$S/worker
"$STINT" worker --config "$deploy/docker/worker.json" --name w1 \
    --heartbeat 0.5 --shutdown 30 >"$tmp/w1.log" 2>&1 </dev/null &
pids+=("$!")
worker_pid=$!
until_true 10 "the worker of compose.yaml comes in" \
    eval '[[ $("$STINT" workers) = *ACTIVE* ]]'

# The health of a container: its worker is known by its host.
export PATH=$(dirname "$STINT"):$PATH
exits "healthy: the worker" 0 "$deploy/docker/stint-healthy" worker
exits "nothing to say of others" 0 "$deploy/docker/stint-healthy" cron
kill_hard "$worker_pid"
until_true 30 "a dead one is not healthy" \
    eval '! "$deploy/docker/stint-healthy" worker'
exits "no broker is not healthy" 1 env STINT_HEALTH_PORT=1 \
    "$deploy/docker/stint-healthy" broker
passed
