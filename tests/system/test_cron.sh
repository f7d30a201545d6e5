#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# stint cron next: times, zones, refusals; all of it without a Redis.
. "$(dirname "$0")/lib.sh"

# next_is WHAT WANTED EXPRESSION [options]: the times, in one line
next_is() {
    local what=$1 wanted=$2
    shift 2
    exits "$what" 0 "$STINT" cron next "$@"
    equal "$what: the times" "$wanted" "$(tr '\n' ' ' <"$tmp/out" |
        sed 's/ $//')"
    equal "$what: nothing on stderr" "" "$errout"
}

next_is "hour and minute" "2026-01-05T08:00:00Z 2026-01-05T08:10:00Z" \
    '*/10 8 * * *' --from 2026-01-05T05:03:00Z --count 2
next_is "strictly after" "2026-01-02T00:00:00Z" \
    '@daily' --from 2026-01-01T00:00:00Z --count 1
next_is "options first, seconds since the epoch" "1970-01-01T01:00:00Z" \
    --count=1 --from=0 @hourly
exits "five by default, from now" 0 "$STINT" cron next '* * * * *'
equal "five lines" 5 "$(grep -c ':00Z$' "$tmp/out")"
exits "from an hour ago" 0 "$STINT" cron next '* * * * *' --from -1h --count 1
past=$out
exits "from in an hour" 0 "$STINT" cron next '* * * * *' --from +1h --count 1
[[ $past < $out ]] || fail "--from: $past is not before $out"
exits "--count 1000" 0 "$STINT" cron next '* * * * *' --count 1000
equal "all different" 1000 "$(sort -u "$tmp/out" | wc -l | tr -d ' ')"

exits "as JSON" 0 "$STINT" cron next '0 0 15,L * *' --json --count 2 \
    --from 2026-02-01T00:00:00Z
times='"2026-02-15T00:00:00.000Z","2026-02-28T00:00:00.000Z"'
local_times='"2026-02-15T00:00:00Z","2026-02-28T00:00:00Z"'
contains "the expression" '{"expression":"0 0 15,L * *","timezone":"UTC",' "$out"
contains "the lists" \
    "\"times\":[$times],\"local_times\":[$local_times]}" "$out"

if [ -e /usr/share/zoneinfo ]; then
    next_is "a gap" "2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00" \
        '30 2 * * *' --timezone Europe/Rome --count 2 \
        --from 2026-03-28T12:00:00Z
    next_is "a doubled time" \
        "2026-11-01T01:30:00-04:00 2026-11-02T01:30:00-05:00" \
        '30 1 * * *' --timezone America/New_York --count 2 \
        --from 2026-10-31T12:00:00Z
    next_is "an odd offset" "2026-01-02T00:00:00+05:45" '@daily' \
        --timezone Asia/Kathmandu --count 1 --from 2026-01-01T00:00:00Z
    next_is "an offset with seconds" "1970-01-01T00:00:30-00:44" \
        '0 0 1 1 *' --timezone Africa/Monrovia --count 1 --from 0
    next_is "zero is no Z elsewhere" "2026-01-02T00:00:00+00:00" '@daily' \
        --timezone Europe/London --count 1 --from 2026-01-01T00:00:00Z
    exits "as JSON, with a zone" 0 "$STINT" cron next '@daily' --json \
        --timezone Europe/Rome --count 1 --from 2026-07-01T00:00:00Z
    contains "in UTC" '"times":["2026-07-01T22:00:00.000Z"]' "$out"
    contains "and local" '"local_times":["2026-07-02T00:00:00+02:00"]' "$out"
else
    echo "skipped: no database of time zones here"
fi
export TZDIR=$tmp/none
next_is "UTC without a database" "2026-01-02T00:00:00Z" '@daily' --count 1 \
    --from 2026-01-01T00:00:00Z --timezone UTC
exits "another zone without one" 1 "$STINT" cron next '@daily' \
    --timezone Europe/Rome
contains "says why" tzdata "$errout"
unset TZDIR

# refused WHAT PART COMMAND...: exit status 2, and the part in the message
refused() {
    local what=$1 part=$2
    shift 2
    exits "$what" 2 "$STINT" cron "$@"
    contains "$what: says why" "$part" "$errout"
    equal "$what: nothing on stdout" "" "$out"
}
refused "a wrong minute" 'minute "60"' next '60 * * * *'
refused "a wrong hour" 'hour "24"' next '0 24 * * *'
refused "a wrong day" 'day of month "0"' next '0 0 0 * *'
refused "a wrong month" 'month "13"' next '0 0 * 13 *'
refused "a wrong weekday" 'day of week "mo"' next '0 0 * * mo'
refused "never" 'never run' next '0 0 31 2 *'
refused "six fields" 'five fields' next '0 0 0 * * *'
refused "@reboot" '@reboot' next '@reboot'
refused "an empty expression" 'minute is missing' next ''
refused "control bytes are escaped" '\x1b' next $'\e[2J * * * *'
refused "no quotes" 'in quotes' next 0 0 1 1 1
refused "no expression" 'needs an expression' next
refused "no verb" 'needs the word next' previous '@daily'
refused "no zone" 'Europe/Nowhere' next '@daily' --timezone Europe/Nowhere
refused "no name of a zone" '../x' next '@daily' --timezone ../x
refused "no time" 'yesterday' next '@daily' --from yesterday
refused "no count" '--count' next '@daily' --count 0
refused "too large a count" '--count' next '@daily' --count 1001
refused "no number" '--count' next '@daily' --count x
exits "no time before the year 10000" 1 "$STINT" cron next '@yearly' \
    --from 9998-06-01T00:00:00Z
exits "no Redis there, and none needed" 0 "$STINT" cron next '@daily' \
    --url "unix://$tmp/no.sock"
equal "no Redis was started" "" "$(ls -A "$STINT_HOME")"
exits "--help" 0 "$STINT" cron --help
contains "tells of the fields" "day of week" "$out"
passed
