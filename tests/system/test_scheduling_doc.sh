#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs what docs/scheduling.md shows.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/doc_lib.sh"
doc_start scheduling.md
doc_run
[ "$commands" -gt 40 ] || fail "only $commands examples were found"
fsck_clean
kill "$doc_worker"
wait "$doc_worker"
passed
