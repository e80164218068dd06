# netpoll_find_kqueue(): whether the kqueue back end can be built, in NETPOLL_HAVE_KQUEUE, and with which
# NETPOLL_KQUEUE_INCLUDE_DIRS and NETPOLL_KQUEUE_LIBRARY, both empty where libc has kqueue(2).
#
# Cache variable NETPOLL_KQUEUE: AUTO builds it where the system has kqueue(2): macOS and the BSDs. ON also takes
# libkqueue, an emulation on top of epoll that Linux distributions package or not (Debian does not), and fails without
# either. OFF never builds it.
include_guard(GLOBAL)
include(CheckSymbolExists)

set(NETPOLL_KQUEUE AUTO CACHE STRING "The kqueue back end: AUTO (where the system has it), ON (or through libkqueue), OFF")
set_property(CACHE NETPOLL_KQUEUE PROPERTY STRINGS AUTO ON OFF)

macro(netpoll_find_kqueue)
  set(NETPOLL_HAVE_KQUEUE OFF)
  set(NETPOLL_KQUEUE_INCLUDE_DIRS "")
  set(NETPOLL_KQUEUE_LIBRARY "")
  if(NOT NETPOLL_KQUEUE STREQUAL "OFF")
    check_symbol_exists(kqueue "sys/types.h;sys/event.h;sys/time.h" NETPOLL_LIBC_HAS_KQUEUE)
    if(NETPOLL_LIBC_HAS_KQUEUE)
      set(NETPOLL_HAVE_KQUEUE ON)
    elseif(NOT NETPOLL_KQUEUE STREQUAL "AUTO")
      find_path(NETPOLL_LIBKQUEUE_INCLUDE_DIR sys/event.h PATH_SUFFIXES kqueue)
      find_library(NETPOLL_LIBKQUEUE kqueue)
      if(NOT NETPOLL_LIBKQUEUE_INCLUDE_DIR OR NOT NETPOLL_LIBKQUEUE)
        message(FATAL_ERROR "NETPOLL_KQUEUE=${NETPOLL_KQUEUE}, but there is neither kqueue(2) nor libkqueue here. "
                            "Install libkqueue and name its prefix in CMAKE_PREFIX_PATH, or use NETPOLL_KQUEUE=AUTO.")
      endif()
      set(NETPOLL_HAVE_KQUEUE ON)
      set(NETPOLL_KQUEUE_INCLUDE_DIRS ${NETPOLL_LIBKQUEUE_INCLUDE_DIR})
      set(NETPOLL_KQUEUE_LIBRARY ${NETPOLL_LIBKQUEUE})
    endif()
  endif()
endmacro()
