#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What clients may do to a broker: malformed, huge, slow and many requests.
# Threats S8 and S12.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/broker.sh"
ulimit -n 4096 2>/dev/null

broker limits
python3 "$here/broker_limits.py" "$url" "$broker_pid" </dev/null \
    >"$tmp/limits.out" 2>&1 || fail "$(tail -n 5 "$tmp/limits.out")"
ok "$(grep -c '^ok' "$tmp/limits.out") checks"
kill -TERM "$broker_pid"
ended "$broker_pid" 8
equal "it stops" 0 "$ended_status"
passed
