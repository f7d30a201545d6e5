# SPDX-License-Identifier: MIT
# Turns the files of the dashboard into C, for broker/http/assets.h. Run by the
# build as a script:
#   cmake -D FILES=index.html,app.js,... -D IN=broker/web -D OUT=assets.c -P this
# The table is called assets, or as -D TABLE=name says.
if(NOT DEFINED TABLE)
  set(TABLE assets)
endif()
string(REPLACE "," ";" files "${FILES}")

set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_svg "image/svg+xml")
set(type_png "image/png")
set(type_ico "image/x-icon")
set(type_json "application/json")
set(type_txt "text/plain; charset=utf-8")

set(c "/* Made by cmake/embed_web.cmake. */\n#include \"assets.h\"\n\n")
set(table "")
set(n 0)
foreach(file IN LISTS files)
  get_filename_component(ext "${file}" LAST_EXT)
  string(REPLACE "." "" ext "${ext}")
  if(NOT DEFINED type_${ext})
    message(FATAL_ERROR "broker/web/${file}: what type is .${ext}?")
  endif()
  file(READ "${IN}/${file}" hex HEX)
  file(SHA256 "${IN}/${file}" sum)
  string(SUBSTRING "${sum}" 0 32 sum)
  string(LENGTH "${hex}" len)
  math(EXPR len "${len} / 2")
  string(REGEX REPLACE "(....................)" "\\1\n" bytes "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND c "static const unsigned char bytes_${n}[] = {\n${bytes}0};\n")
  string(APPEND table "    {\"/${file}\", \"${type_${ext}}\",\n"
    "     \"\\\"${sum}\\\"\", bytes_${n}, ${len}},\n")
  math(EXPR n "${n} + 1")
endforeach()
string(APPEND c
  "\nconst struct asset ${TABLE}[] = {\n${table}    {0, 0, 0, 0, 0}};\n")
if(TABLE STREQUAL assets)
  string(APPEND c "const size_t assets_n = ${n};\n")
endif()
file(WRITE "${OUT}" "${c}")
