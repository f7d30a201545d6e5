#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The example of docs/testing.md compiles, runs, and prints what stands there.
. "$(dirname "$0")/lib.sh"

library=$(dirname "$STINT")
doc=$here/../../docs/testing.md
cd "$tmp" || fail "no directory"
sed -n '/^```c$/,/^```$/p' "$doc" | sed '1d;$d' >shop_test.c
grep -q stint_testing_run_until shop_test.c || fail "no example in $doc"
# What the page shows below "$ ./shop_test".
sed -n '/^    \$ \.\/shop_test$/,/^$/p' "$doc" | sed '1d;/^$/d;s/^    //' \
    >expected
[ -s expected ] || fail "no output in $doc"

# A library with sanitizers needs a program with them.
flags=()
case "$(grep '^STINT_SANITIZE:' "$(dirname "$STINT")/CMakeCache.txt")" in
*=?*) flags=(-fsanitize="$(grep '^STINT_SANITIZE:' \
    "$(dirname "$STINT")/CMakeCache.txt" | cut -d= -f2)") ;;
esac
cc "${flags[@]}" -std=c11 -Wall -Wextra -Wshadow -Werror -o shop_test \
    shop_test.c -I "$here/../../client/include" -L "$library" -lstint \
    -Wl,-rpath,"$library" || fail "it does not compile"
ok "it compiles"
./shop_test >got 2>&1 || fail "it fails: $(cat got)"
diff expected got >difference || fail "it prints something else:
$(cat difference)"
ok "it prints what the page shows"

# Where the module is not, that is said.
mkdir lib
cp -L "$library"/libstint.so.* lib/
cc "${flags[@]}" -std=c11 -o apart shop_test.c \
    -I "$here/../../client/include" -L "$library" -lstint \
    -Wl,-rpath,"$tmp/lib" || fail "it does not compile"
./apart >got 2>&1 && fail "it runs without the module"
grep -q 'memory: needs libstint-memory.so' got || fail "said: $(cat got)"
ok "without the module that is said"
passed
