# netpoll_target_options(TARGET): language level, warnings and sanitizers, the same for every target of the tree.
#
# Cache variables: NETPOLL_WERROR, NETPOLL_SANITIZE ("", "thread", "address,undefined"), NETPOLL_RANDOM_YIELDS.

option(NETPOLL_WERROR "Treat warnings as errors (presets and CI; not for users)" OFF)
option(NETPOLL_RANDOM_YIELDS "Random yields at every atomic step of scheduler and poller (stress tests)" OFF)
set(NETPOLL_SANITIZE "" CACHE STRING "Sanitizers to build with: empty, thread, or address,undefined")

find_package(Threads REQUIRED)

# A frame larger than a stack's guard (context/stack.h) would step over it into somebody else's stack; with these it is
# touched page by page. Programs that use libruntime inherit them, since what runs on its stacks is their code.
if(WIN32)
  set(NETPOLL_STACK_FLAGS "")  # large frames are probed page by page there, because threads' stacks grow that way
elseif(APPLE)
  set(NETPOLL_STACK_FLAGS "")  # no compiler knows it for that system
else()
  set(NETPOLL_STACK_FLAGS -fstack-clash-protection)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  # There gcc counts on guards of 64 KiB unless told that they are 2^12 bytes or more.
  list(APPEND NETPOLL_STACK_FLAGS --param=stack-clash-protection-guard-size=12)
endif()
set(NETPOLL_STACK_OPTIONS "$<$<COMPILE_LANGUAGE:C,CXX>:${NETPOLL_STACK_FLAGS}>")

function(netpoll_target_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wcast-align
                                           -Wno-missing-field-initializers)
  # At -O3 gcc 12 sees overlapping copies inside std::string's operator+ where there are none (GCC bug 105651).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE $<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:-Wno-restrict>)
  endif()
  # Which lock guards what (netpoll/base/thread_annotations.h).
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wthread-safety>)
  endif()
  # In a unity build our sources are included, which clang-tidy would complain of, and gcc takes them for headers, which
  # should not have types of an anonymous namespace in others.
  get_target_property(unity ${target} UNITY_BUILD)
  if(unity AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD_CODE_BEFORE_INCLUDE "// NOLINTNEXTLINE(bugprone-suspicious-include)")
  # Backtraces of parked goroutines, by us and by perf, follow the frame pointer.
  target_compile_options(${target} PRIVATE -fno-omit-frame-pointer)
  target_compile_options(${target} PRIVATE "${NETPOLL_STACK_OPTIONS}")
  if(NETPOLL_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(NETPOLL_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${NETPOLL_SANITIZE})
    target_link_options(${target} PUBLIC -fsanitize=${NETPOLL_SANITIZE})
    if(NETPOLL_SANITIZE MATCHES "undefined")
      target_compile_options(${target} PRIVATE -fno-sanitize-recover=undefined)
    endif()
  endif()
  if(NETPOLL_RANDOM_YIELDS)
    target_compile_definitions(${target} PRIVATE NETPOLL_RANDOM_YIELDS=1)
  endif()
endfunction()
