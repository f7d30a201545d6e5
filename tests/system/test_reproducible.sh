#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two builds of the same source, in folders of different names and depths, are
# equal byte for byte.
. "$(dirname "$0")/lib.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)
if [ -n "${CFLAGS:-}" ]; then
    echo "note: CFLAGS is set to $CFLAGS"
fi
copy() { # DIR
    mkdir -p "$1"
    (cd "$top" && tar cf - CMakeLists.txt client worker broker lua cmake docs \
        deploy bench LICENSE README.md CHANGELOG.md) | tar xf - -C "$1"
}
build() { # SOURCE BUILD
    cmake -S "$1" -B "$2" -DBUILD_TESTING=OFF >"$tmp/build.log" 2>&1 &&
        cmake --build "$2" -j "$(nproc)" --target stint-cli --target stint \
            >>"$tmp/build.log" 2>&1 ||
        fail "the build: $(tail -n 20 "$tmp/build.log")"
}
copy "$tmp/one"
build "$tmp/one" "$tmp/one/out"
copy "$tmp/two/deeper"
build "$tmp/two/deeper" "$tmp/two/elsewhere"
for file in stint libstint.so; do
    cmp "$tmp/one/out/$file" "$tmp/two/elsewhere/$file" ||
        fail "$file differs"
    ok "$file is the same"
done
passed
