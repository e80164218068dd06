# Installs the build tree, moves the result elsewhere (it must be relocatable), and uses it as a stranger would: through
# find_package, through pkg-config, and in a version that is not there.
function(run title)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(output "${output}" PARENT_SCOPE)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${title} failed (${status}):\n${output}")
  endif()
  message(STATUS "${title}: ok")
endfunction()

# A frame larger than the guard needs the flags that users inherit.
function(expect_overflow title program)
  execute_process(COMMAND sh -c "ulimit -c 0; exec '${program}'" RESULT_VARIABLE status OUTPUT_VARIABLE output
                  ERROR_VARIABLE output)
  if(status EQUAL 0 OR NOT output MATCHES "stack overflow")
    message(FATAL_ERROR "${title}: a large frame was not noticed (${status}):\n${output}")
  endif()
  message(STATUS "${title}: ok")
endfunction()

file(REMOVE_RECURSE ${WORK})
run("install" ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/before)
file(RENAME ${WORK}/before ${WORK}/moved)
set(prefix ${WORK}/moved)

run("configure through find_package"
    ${CMAKE_COMMAND} -S ${PROJECT} -B ${WORK}/cmake -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX}
    -DWANTED=${VERSION})
run("build through find_package" ${CMAKE_COMMAND} --build ${WORK}/cmake)
run("run what find_package built" ${WORK}/cmake/consumer)
if(NOT output MATCHES "ping")
  message(FATAL_ERROR "the consumer printed: ${output}")
endif()

expect_overflow("a large frame through find_package" ${WORK}/cmake/big_frame)

if(EXISTS ${WORK}/cmake/debug)
  run("run what uses netpoll::debug" ${WORK}/cmake/debug)
endif()

execute_process(COMMAND ${CMAKE_COMMAND} -S ${PROJECT} -B ${WORK}/other -DCMAKE_PREFIX_PATH=${prefix}
                        -DCMAKE_CXX_COMPILER=${CXX} -DWANTED=0.9
                RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status EQUAL 0 OR NOT output MATCHES "compatible with requested version")
  message(FATAL_ERROR "version 0.9 was not refused for its version:\n${output}")
endif()
message(STATUS "version 0.9 is refused: ok")

find_program(PKG_CONFIG pkg-config)
if(NOT PKG_CONFIG)
  message(STATUS "pkg-config is not installed: that way in was not tried")
  return()
endif()
set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
run("pkg-config version" ${PKG_CONFIG} --exact-version=${VERSION} netpoll)
run("pkg-config flags" ${PKG_CONFIG} --cflags --libs netpoll)
separate_arguments(flags UNIX_COMMAND "${output}")
list(FILTER flags EXCLUDE REGEX "^$")
run("build through pkg-config" ${CXX} -std=c++20 ${PROJECT}/main.cc -o ${WORK}/by-pkg-config ${flags})
run("run what pkg-config built" ${WORK}/by-pkg-config)
run("build a large frame through pkg-config"
    ${CXX} -std=c++20 ${PROJECT}/big_frame.cc -o ${WORK}/frame-by-pkg-config ${flags})
expect_overflow("a large frame through pkg-config" ${WORK}/frame-by-pkg-config)

if(EXISTS ${prefix}/${LIBDIR}/pkgconfig/netpoll-debug.pc)
  run("pkg-config flags of netpoll-debug" ${PKG_CONFIG} --cflags --libs netpoll-debug)
  separate_arguments(flags UNIX_COMMAND "${output}")
  list(FILTER flags EXCLUDE REGEX "^$")
  run("build with netpoll-debug through pkg-config"
      ${CXX} -std=c++20 ${PROJECT}/debug.cc -o ${WORK}/debug-by-pkg-config ${flags})
  run("run what netpoll-debug built" ${WORK}/debug-by-pkg-config)
endif()
