# cpack runs this on the tree that becomes a package. Manual pages are compressed, as distributions have them; a Debian
# package gets its copyright and changelog (Debian Policy 12.3, 12.5, 12.7).
find_program(GZIP gzip REQUIRED)

file(GLOB_RECURSE pages ${CPACK_TEMPORARY_DIRECTORY}/*.[0-9])
list(FILTER pages INCLUDE REGEX "/man/man[0-9]/")
foreach(page IN LISTS pages)
  execute_process(COMMAND ${GZIP} -9n ${page} COMMAND_ERROR_IS_FATAL ANY)
endforeach()

# Archives, whose debug information is many times their code, are not what CPACK_STRIP_FILES strips.
find_program(STRIP strip REQUIRED)
file(GLOB_RECURSE archives ${CPACK_TEMPORARY_DIRECTORY}/*.a)
foreach(archive IN LISTS archives)
  execute_process(COMMAND ${STRIP} --strip-debug ${archive} COMMAND_ERROR_IS_FATAL ANY)
endforeach()

if(CPACK_GENERATOR STREQUAL "DEB")
  string(TIMESTAMP DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
  foreach(component IN ITEMS CLI DEV)
    string(TOLOWER ${component} folder)
    if(NOT IS_DIRECTORY ${CPACK_TEMPORARY_DIRECTORY}/${folder})
      continue()
    endif()
    set(NAME ${CPACK_DEBIAN_${component}_PACKAGE_NAME})
    set(VERSION ${CPACK_PACKAGE_VERSION})
    set(CONTACT ${CPACK_PACKAGE_CONTACT})
    set(doc ${CPACK_TEMPORARY_DIRECTORY}/${folder}/usr/share/doc/${NAME})
    file(COPY ${CPACK_NETPOLL_DEBIAN}/copyright DESTINATION ${doc})
    configure_file(${CPACK_NETPOLL_DEBIAN}/changelog.in ${doc}/changelog @ONLY)
    execute_process(COMMAND ${GZIP} -9n ${doc}/changelog COMMAND_ERROR_IS_FATAL ANY)
    # Which is the licence that the copyright names.
    file(REMOVE ${doc}/LICENSE)
  endforeach()
endif()
