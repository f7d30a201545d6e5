# SPDX-License-Identifier: MIT
# The checker of a campaign's history, and its tests.

set(transitions_h ${CMAKE_CURRENT_BINARY_DIR}/torture_check/transitions.h)
add_custom_command(OUTPUT ${transitions_h}
  COMMAND ${CMAKE_COMMAND}
    -DFROM=${CMAKE_CURRENT_SOURCE_DIR}/model/transitions -DTO=${transitions_h}
    -P ${CMAKE_CURRENT_SOURCE_DIR}/torture/transitions.cmake
  DEPENDS model/transitions torture/transitions.cmake VERBATIM)

add_library(torture_check STATIC
  ${transitions_h} torture/replay.c
  torture/history_read.c torture/world.c torture/life.c
  torture/check_table.c torture/check_submit.c torture/check_result.c
  torture/check_run.c torture/check_fleet.c torture/check_print.c
  ${PROJECT_SOURCE_DIR}/client/cli/histogram.c)
target_include_directories(torture_check PUBLIC
  torture ${PROJECT_SOURCE_DIR}/client/cli)
target_include_directories(torture_check PRIVATE
  ${CMAKE_CURRENT_BINARY_DIR}/torture_check)
target_link_libraries(torture_check PUBLIC stint_build m)
add_executable(check torture/check.c)
target_link_libraries(check PRIVATE torture_check)
add_executable(test_check torture/test_check.c torture/history_builder.c)
target_link_libraries(test_check PRIVATE torture_check PkgConfig::cmocka)
add_test(NAME torture/test_check COMMAND test_check)
set_tests_properties(torture/test_check PROPERTIES
  LABELS torture TIMEOUT 120)
