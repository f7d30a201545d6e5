# SPDX-License-Identifier: MIT
# What makes an error in our code harder to use, and a build the same wherever
# it is made. Added to a target's interface; what a compiler does not know is
# left out. tests/system/test_hardening.sh looks at the results.
include(CheckCCompilerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

function(stint_harden target)
  # No path of the build in assertions and debugging information. The last that
  # fits is taken, and a build may lie inside of the source (in a folder whose
  # name no folder of the source begins with).
  set(flags -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.
            -ffile-prefix-map=${PROJECT_BINARY_DIR}=build)
  # A sanitizer has checks of its own, which these get in the way of.
  if(NOT STINT_SANITIZE)
    list(APPEND flags -fstack-protector-strong -fstack-clash-protection
                      -fcf-protection)
    target_link_options(${target} INTERFACE
      -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
    # It needs an optimizer; 3 is for gcc 12 and clang 9, older ones take 2.
    set(fortify 2)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND
       CMAKE_C_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
      set(fortify 3)
    endif()
    target_compile_options(${target} INTERFACE
      $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
      $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=${fortify}>)
  endif()
  foreach(flag IN LISTS flags)
    string(REGEX REPLACE "=.*" "" name "${flag}")
    string(MAKE_C_IDENTIFIER "has${name}" known)
    check_c_compiler_flag("${flag}" ${known})
    if(${known})
      target_compile_options(${target} INTERFACE "${flag}")
    endif()
  endforeach()
endfunction()
