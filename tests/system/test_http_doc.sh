#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs what docs/http.md shows.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/doc_lib.sh"
doc_start http.md
doc_run
[ "$commands" -gt 14 ] || fail "only $commands examples were found"
fsck_clean
kill "$doc_worker" # the broker
wait "$doc_worker"
equal "the broker ends well" 0 $?
passed
