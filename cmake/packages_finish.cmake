# SPDX-License-Identifier: MIT
# What Debian wants otherwise than other installations. CPack runs it when the
# files of each component are in a folder of its own.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(source_dir ${CMAKE_CURRENT_LIST_DIR}/..)

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/${component}/usr)
  string(TOUPPER ${component} id)

  # Its name as CPack knows it, its licence, what has changed.
  set(doc ${root}/share/doc/${CPACK_DEBIAN_${id}_PACKAGE_NAME})
  file(COPY ${source_dir}/LICENSE DESTINATION ${doc})
  file(RENAME ${doc}/LICENSE ${doc}/copyright)
  file(COPY ${source_dir}/CHANGELOG.md DESTINATION ${doc})
  file(RENAME ${doc}/CHANGELOG.md ${doc}/changelog)
  file(WRITE ${doc}/changelog.Debian
"stint (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) \
unstable; urgency=medium

  * Made by CPack; changelog.gz says what has changed in Stint.

 -- ${CPACK_DEBIAN_PACKAGE_MAINTAINER}  ${date}
")
  file(GLOB texts ${doc}/changelog* ${root}/share/man/man*/*)
  foreach(text IN LISTS texts)
    execute_process(COMMAND gzip -9n ${text} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  file(CHMOD_RECURSE ${root}/share
    FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ
    DIRECTORY_PERMISSIONS ${CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS})

  # The loader looks in /usr/lib by itself.
  file(GLOB programs ${root}/bin/*)
  foreach(program IN LISTS programs)
    file(RPATH_REMOVE FILE ${program})
  endforeach()

  # zsh of Debian does not look into /usr/share/zsh/site-functions.
  if(EXISTS ${root}/share/zsh/site-functions)
    file(RENAME ${root}/share/zsh/site-functions
                ${root}/share/zsh/vendor-completions)
  endif()
endforeach()
