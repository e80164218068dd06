# Cross-compiles for macOS and FreeBSD by Zig, whose C++ compiler brings the headers and libraries of those systems along:
#   cmake --preset macos && cmake --build --preset macos      (also: macos-x64, freebsd)
#
# NETPOLL_ZIG_TARGET: the target as Zig calls it. NETPOLL_ZIG: the program; without it the one in PATH, or the one that
#   pip install --target build/ziglang ziglang
# puts there, as packaging/quickstart does. Nothing is run: there is no emulation of those systems.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES NETPOLL_ZIG_TARGET NETPOLL_ZIG)
find_program(NETPOLL_ZIG zig HINTS ${CMAKE_CURRENT_LIST_DIR}/../../build/ziglang/ziglang)
if(NOT NETPOLL_ZIG)
  message(FATAL_ERROR "Zig is missing.\nhint: pip install --target build/ziglang ziglang, or -DNETPOLL_ZIG=PROGRAM")
endif()

string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR ${NETPOLL_ZIG_TARGET})
if(NETPOLL_ZIG_TARGET MATCHES "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
  # The target says it; without these CMake asks Apple's tools.
  set(CMAKE_OSX_SYSROOT "" CACHE STRING "")
  set(CMAKE_OSX_ARCHITECTURES "" CACHE STRING "")
  set(CMAKE_OSX_DEPLOYMENT_TARGET "" CACHE STRING "")
else()
  set(CMAKE_SYSTEM_NAME FreeBSD)
endif()
set(CMAKE_C_COMPILER ${NETPOLL_ZIG} cc)
set(CMAKE_CXX_COMPILER ${NETPOLL_ZIG} c++)
set(CMAKE_ASM_COMPILER ${NETPOLL_ZIG} cc)
foreach(language IN ITEMS C CXX ASM)
  set(CMAKE_${language}_FLAGS_INIT "-target ${NETPOLL_ZIG_TARGET}")
  # One program is all tools.
  set(CMAKE_${language}_ARCHIVE_CREATE "<CMAKE_AR> ar qc <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_APPEND "<CMAKE_AR> ar q <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_FINISH "<CMAKE_AR> ar s <TARGET>")
endforeach()
if(CMAKE_SYSTEM_NAME STREQUAL "Darwin")
  # Apple's <math.h> takes a part of <float.h>, and libc++'s (of Zig 0.17) then believes that it was had as a whole.
  string(APPEND CMAKE_CXX_FLAGS_INIT " -include cfloat")
endif()
set(CMAKE_AR ${NETPOLL_ZIG} CACHE FILEPATH "")
set(CMAKE_RANLIB ${NETPOLL_ZIG} CACHE FILEPATH "")

# Of the libraries only headers are needed, and /usr/include as a whole would bring those of this machine's libc along.
set(CMAKE_PROJECT_INCLUDE ${CMAKE_CURRENT_LIST_DIR}/cross_headers.cmake)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH /nonexistent)
# pkg-config must not answer with the libraries of this machine.
set(ENV{PKG_CONFIG_LIBDIR} /nonexistent)
set(ENV{PKG_CONFIG_PATH} "")
