# SPDX-License-Identifier: MIT
# Joins the Lua files and turns them into C. Run by the build as a script:
#   cmake -D VERBS=queue_task,assign,... -D IN=lua -D OUT=build/lua -P this
#
# Writes into OUT:
#   library.lua  the Redis function library: prelude and one function a verb
#   VERB.lua     prelude and verb, for EVALSHA
#   scripts.c    all of them as bytes, for client/core/lua_scripts.h
#
# @LIBRARY_SHA1@ in the text becomes the SHA1 of the library before this
# replacement. Flags of a function stand in its verb's header comment:
#   -- FLAGS: no-writes, allow-oom
#
# Texts only ever travel inside quoted strings: Lua is full of semicolons and
# brackets, which would come apart in a CMake list.

string(REPLACE "," ";" verbs "${VERBS}")
file(MAKE_DIRECTORY "${OUT}")

set(prelude "")
foreach(part prelude prelude_events prelude_series prelude_families
        prelude_measures)
  file(READ "${IN}/${part}.lua" text)
  string(APPEND prelude "${text}\n")
endforeach()
# For fsck and repair only: others need not carry it where there are no
# functions.
file(READ "${IN}/prelude_fsck.lua" prelude_fsck)
set(library "#!lua name=stint\n${prelude}\n${prelude_fsck}\n")
foreach(verb IN LISTS verbs)
  file(READ "${IN}/${verb}.lua" text)
  set(flags "")
  if(text MATCHES "(^|\n)-- FLAGS:[ \t]*([a-z, \t-]*)")
    string(REGEX REPLACE "[, \t]+" ";" words "${CMAKE_MATCH_2}")
    foreach(word IN LISTS words)
      if(NOT word STREQUAL "")
        string(APPEND flags "'${word}', ")
      endif()
    endforeach()
  endif()
  string(APPEND library
    "\nredis.register_function{function_name='stint_${verb}', "
    "callback=function(KEYS, ARGV)\n${text}\nend, flags={${flags}}}\n")
endforeach()

# The library's name for itself: its text with the token still in it.
string(SHA1 library_sha1 "${library}")

# write_if_changed(path text)
function(write_if_changed path text)
  if(EXISTS "${path}")
    file(READ "${path}" old)
    if(old STREQUAL text)
      return()
    endif()
  endif()
  file(WRITE "${path}" "${text}")
endfunction()

# c_bytes(out path): the file's bytes as the inside of a C array, ended by 0.
function(c_bytes out path)
  file(READ "${path}" hex HEX)
  string(REGEX REPLACE "(....................)" "\\1\n" bytes "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
  set(${out} "${bytes}0" PARENT_SCOPE)
endfunction()

set(c "/* Made by cmake/embed_lua.cmake. */\n#include \"lua_scripts.h\"\n\n")
string(REPLACE "@LIBRARY_SHA1@" "${library_sha1}" library "${library}")
write_if_changed("${OUT}/library.lua" "${library}")
c_bytes(bytes "${OUT}/library.lua")
string(APPEND c
  "const char lua_library[] = {\n${bytes}};\n"
  "const size_t lua_library_len = sizeof(lua_library) - 1;\n"
  "const char lua_library_sha1[] = \"${library_sha1}\";\n\n")

set(table "")
foreach(verb IN LISTS verbs)
  file(READ "${IN}/${verb}.lua" text)
  if(verb MATCHES "^(fsck|repair)(_|$)")
    set(text "${prelude_fsck}\n${text}")
  endif()
  set(text "${prelude}\n${text}")
  string(REPLACE "@LIBRARY_SHA1@" "${library_sha1}" text "${text}")
  write_if_changed("${OUT}/${verb}.lua" "${text}")
  file(SHA1 "${OUT}/${verb}.lua" sha1)
  c_bytes(bytes "${OUT}/${verb}.lua")
  string(APPEND c "static const char text_${verb}[] = {\n${bytes}};\n")
  string(APPEND table
    "    {\"${verb}\", \"${sha1}\",\n"
    "     text_${verb}, sizeof(text_${verb}) - 1},\n")
endforeach()
string(APPEND c
  "\nconst struct lua_script lua_scripts[] = {\n${table}};\n"
  "const size_t lua_scripts_n = sizeof(lua_scripts) / sizeof(lua_scripts[0]);\n")
file(WRITE "${OUT}/scripts.c" "${c}")
