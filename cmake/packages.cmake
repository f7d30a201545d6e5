# SPDX-License-Identifier: MIT
# Debian packages, made by `cmake --build build --target package` in
# build/packages: one for each component of the install rules. To add one, give
# its files a COMPONENT and call stint_package for it.

set(STINT_MAINTAINER "The Stint authors <stint@localhost>" CACHE STRING
    "Maintainer of the packages; to be set by whoever publishes them")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES TRUE)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS
    ${PROJECT_SOURCE_DIR}/cmake/packages_finish.cmake)
set(CPACK_COMPONENTS_ALL)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${STINT_MAINTAINER}")
set(CPACK_PACKAGE_CONTACT "${STINT_MAINTAINER}")
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # else it precedes each package's
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# The library's package is named by its SONAME, libstint.so.0.1.
set(stint_library_package libstint${stint_soversion})
# What belongs to this very build of the library.
set(stint_revision ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
set(stint_library_same "${stint_library_package} (= ${stint_revision})")

# stint_package(COMPONENT NAME name SECTION section SUMMARY line
#   DESCRIPTION text [DEPENDS …] [RECOMMENDS …] [PROVIDES …])
# The libraries that its programs are linked to need not be named, but for ours.
function(stint_package component)
  cmake_parse_arguments(arg "" "NAME;SECTION;SUMMARY;DESCRIPTION"
    "DEPENDS;RECOMMENDS;PROVIDES" ${ARGN})
  string(TOUPPER ${component} id)
  set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} ${component} PARENT_SCOPE)
  set(CPACK_DEBIAN_${id}_PACKAGE_NAME ${arg_NAME} PARENT_SCOPE)
  set(CPACK_DEBIAN_${id}_PACKAGE_SECTION ${arg_SECTION} PARENT_SCOPE)
  set(CPACK_DEBIAN_${id}_DESCRIPTION "${arg_SUMMARY}\n${arg_DESCRIPTION}"
      PARENT_SCOPE)
  foreach(field DEPENDS RECOMMENDS PROVIDES)
    list(JOIN arg_${field} ", " names)
    set(CPACK_DEBIAN_${id}_PACKAGE_${field} "${names}" PARENT_SCOPE)
  endforeach()
endfunction()

string(CONCAT stint_what
  "Stint runs tasks on any number of hosts, at their time, by priority,\n"
  "again after failures, after tasks they depend on.")
# Zones are read from tzdata, and a Redis is needed somewhere: the embedded one
# is the host's redis-server or valkey-server.
stint_package(library NAME ${stint_library_package} SECTION libs
  SUMMARY "distributed task queue on Redis: library"
  DESCRIPTION "${stint_what}
This is the library that queues tasks, looks at them and runs them."
  RECOMMENDS tzdata
  PROVIDES libstint0)
# For packages whose programs are linked to it; and a trigger, as the loader's
# cache has to know it, wherever it lies.
string(CONCAT shlibs "libstint ${stint_soversion} "
  "${stint_library_package} (>= ${PROJECT_VERSION})\n")
file(WRITE ${PROJECT_BINARY_DIR}/control/shlibs "${shlibs}")
file(WRITE ${PROJECT_BINARY_DIR}/control/triggers
     "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA
    ${PROJECT_BINARY_DIR}/control/shlibs ${PROJECT_BINARY_DIR}/control/triggers)
stint_package(dev NAME libstint-dev SECTION libdevel
  SUMMARY "distributed task queue on Redis: development files"
  DESCRIPTION "Headers of the library of Stint, its manual page, and what
pkg-config and CMake need to find it."
  DEPENDS "${stint_library_same}")
stint_package(program NAME stint SECTION net
  SUMMARY "distributed task queue on Redis"
  DESCRIPTION "${stint_what}
This is the program: it queues tasks, looks at them, and is the worker that
runs them."
  DEPENDS "${stint_library_same}"
  RECOMMENDS "redis-server | valkey-server")

# Each has a README that says how it is used from where it is.
stint_package(python NAME stint-python SECTION python
  SUMMARY "distributed task queue on Redis: Python"
  DESCRIPTION "${stint_what}
This is the package for Python, in /usr/share/stint/python: tasks in Python, and
a client."
  RECOMMENDS "python3 (>= 3.9)" python3-redis)
stint_package(node NAME stint-node SECTION javascript
  SUMMARY "distributed task queue on Redis: Node.js"
  DESCRIPTION "${stint_what}
This is the package for Node.js, in /usr/share/stint/node: tasks in JavaScript,
and a client."
  RECOMMENDS "nodejs (>= 18)" node-redis)

include(CPack)
