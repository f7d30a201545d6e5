# SPDX-License-Identifier: MIT
# cmake -DFROM=.../model/transitions -DTO=.../transitions.h -P transitions.cmake:
# the table of the models as one in C.
file(STRINGS ${FROM} lines REGEX "^[a-z]")
set(rows "")
foreach(line IN LISTS lines)
  if(NOT line MATCHES "^([a-z_]+) +([A-Z]+) +([A-Z]+)$")
    message(FATAL_ERROR "${FROM}: not a transition: ${line}")
  endif()
  string(APPEND rows
    "    {\"${CMAKE_MATCH_1}\", HS_${CMAKE_MATCH_2}, HS_${CMAKE_MATCH_3}},\n")
endforeach()
file(WRITE ${TO} "/* Made of tests/model/transitions. */
#define HS_PRUNED (HS_LOST + 1)
static const struct {
    const char *by;
    int from, to;
} transitions[] = {
${rows}};
#define N_TRANSITIONS (sizeof(transitions) / sizeof(transitions[0]))
")
