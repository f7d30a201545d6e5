#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The library exports what client/stint.sym says, no more and no less. After an
# intended change:
#   STINT=build/plain/stint tests/system/test_symbols.sh --write
. "$(dirname "$0")/lib.sh"

library=$(dirname "$STINT")/libstint.so
root=$here/../..
list=$root/client/stint.sym
nm -D --defined-only "$library" | awk '{ print $3 }' | LC_ALL=C sort \
    >"$tmp/exported"
[ -s "$tmp/exported" ] || fail "nm shows nothing of $library"
if [ "${1:-}" = --write ]; then
    cp "$tmp/exported" "$list"
    ok "wrote client/stint.sym"
    passed
fi

missing=$(LC_ALL=C comm -13 "$tmp/exported" "$list" | xargs)
[ -z "$missing" ] || fail "in client/stint.sym, but not exported: $missing
Programs that use them break. If that is meant: a new SONAME (the version in
client/include/stint/base.h), then tests/system/test_symbols.sh --write"
ok "all of client/stint.sym is exported"
added=$(LC_ALL=C comm -23 "$tmp/exported" "$list" | xargs)
[ -z "$added" ] || fail "exported, but not in client/stint.sym: $added
If that is meant: tests/system/test_symbols.sh --write, and a line for each in
docs/libstint.3. If not: they lack a static, or have a STINT_API too many."
ok "nothing else is exported"

# A declaration may be broken over lines.
cat "$root"/client/include/stint/*.h | tr '\n' ' ' |
    grep -oE 'STINT_API[^;(]*' | sed 's/.*[ *]//' | LC_ALL=C sort \
    >"$tmp/declared"
while read -r name; do
    grep -qx "$name" "$tmp/declared" || fail "no header declares $name"
done <"$list"
ok "the headers declare all of them"
passed
