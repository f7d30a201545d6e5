#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The bill of materials is JSON, names every library the files need with its
# version, and is the same when made again.
. "$(dirname "$0")/lib.sh"

build=$(dirname "$STINT")
sbom=$(cd "$(dirname "$0")/../.." && pwd)/deploy/sbom
exits "of this build" 0 "$sbom" "$build"
first=$out
printf '%s' "$first" >"$tmp/sbom.json"
python3 -c '
import json, sys
s = json.load(open(sys.argv[1]))
names = {p["name"]: p["versionInfo"] for p in s["packages"]}
assert s["spdxVersion"] == "SPDX-2.3"
assert "stint" in names, names
for word in ("hiredis", "libevent", "libjansson", "libc6"):
    found = [n for n in names if n.startswith(word) or
             n.startswith("lib" + word)]
    assert found, (word, names)
    assert all(names[n] != "NOASSERTION" for n in found), names
assert len({p["SPDXID"] for p in s["packages"]}) == len(s["packages"])
assert [f for f in s["files"] if f["fileName"] == "./stint"]
' "$tmp/sbom.json" || fail "the bill of materials"
ok "it names the libraries"
exits "again" 0 "$sbom" "$build"
[ "$out" = "$first" ] || fail "it is another one"
exits "no build" 2 "$sbom" "$tmp"
passed
