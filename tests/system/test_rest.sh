#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The interface for programs, with a real broker, worker and Redis: rest.py
# drives it and holds every answer against the OpenAPI document that is served.
. "$(dirname "$0")/lib.sh"

PYTHON=${PYTHON:-/usr/bin/python3}
"$PYTHON" -c 'import jsonschema' 2>/dev/null ||
    fail "it takes python3-jsonschema (deploy/packages test)"
cat >"$tmp/worker.json" <<END
{"groups": ["main", "side"],
 "tasks": {"echo": {"exec": ["echo", "{args.0}"]},
           "value": {"exec": ["sh", "$tmp/value.sh"]},
           "fail": {"exec": ["sh", "-c", "echo '<script>broken</script>' >&2; exit 3"]},
           "nap": {"exec": ["sleep", "{args.0}"]}}}
END
cat >"$tmp/value.sh" <<'END'
echo '{"password":"p","n":[1,{"password":2}]}' >&$STINT_RESULT_FD
END
worker one
worker two
"$STINT" broker --listen 127.0.0.1:0 --hide password \
    >"$tmp/broker.out" 2>"$tmp/broker.log" </dev/null &
broker=$!
pids+=("$broker")
until_true 10 "the broker listens" test -s "$tmp/broker.out"
timeout 60 "$PYTHON" "$here/rest.py" "$(head -n 1 "$tmp/broker.out")" \
    >"$tmp/rest.out" 2>&1 || fail "$(tail -n 40 "$tmp/rest.out")"
cat "$tmp/rest.out"
kill -0 "$broker" || fail "the broker is gone"
fsck_clean
kill "$broker"
wait "$broker"
equal "the broker ends well" 0 $?
forget "$broker"
passed
