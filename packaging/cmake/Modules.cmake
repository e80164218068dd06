# netpoll_module(NAME MODULE): looks a library up by pkg-config. NAME_FOUND, NAME_VERSION and NAME_INCLUDE_DIRS as
# pkg_check_modules sets them, and NAME_LIBRARIES to link: the shared library, but for executables whose property
# NETPOLL_STATIC is set its archive, and the archives that it needs. What has no archive here is added to the list
# NETPOLL_WITHOUT_ARCHIVE, a global property.
find_package(PkgConfig QUIET)

macro(netpoll_module name module)
  set(${name}_FOUND FALSE)
  if(PKG_CONFIG_FOUND)
    pkg_check_modules(${name} QUIET IMPORTED_TARGET ${module})
  endif()
  if(${name}_FOUND)
    netpoll_archives(${name} ${name}_archives)
    set(${name}_LIBRARIES "$<IF:$<BOOL:$<TARGET_PROPERTY:NETPOLL_STATIC>>,${${name}_archives},PkgConfig::${name}>")
  endif()
endmacro()

# The names that pkg-config --static gives, as files. Threads are libc's.
function(netpoll_archives name result)
  set(archives "")
  list(REMOVE_DUPLICATES ${name}_STATIC_LIBRARIES)
  foreach(library IN LISTS ${name}_STATIC_LIBRARIES)
    if(library STREQUAL "pthread")
      continue()
    endif()
    find_library(NETPOLL_ARCHIVE_${library} lib${library}.a HINTS ${${name}_STATIC_LIBRARY_DIRS})
    mark_as_advanced(NETPOLL_ARCHIVE_${library})
    if(NETPOLL_ARCHIVE_${library})
      list(APPEND archives ${NETPOLL_ARCHIVE_${library}})
    else()
      set_property(GLOBAL APPEND PROPERTY NETPOLL_WITHOUT_ARCHIVE ${library})
    endif()
  endforeach()
  set(${result} "${archives}" PARENT_SCOPE)
endfunction()
