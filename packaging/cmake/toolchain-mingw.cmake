# Cross-compiles for 64-bit Windows on a Debian or Ubuntu machine and runs the tests in Wine:
#   cmake --preset windows && cmake --build --preset windows && ctest --preset windows
#
# The compiler with winpthreads (…-posix): the runtime starts its threads by pthread_create, and libstdc++ has
# std::thread and std::mutex on top of it alone. Linked statically, so that a program is one file.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# Of the libraries only headers are needed, and /usr/include as a whole would bring those of this machine's libc along.
set(CMAKE_PROJECT_INCLUDE ${CMAKE_CURRENT_LIST_DIR}/cross_headers.cmake)

# Windows 10: the oldest whose APIs are used (_WIN32_WINNT); names of windows.h that collide with C++ are left out.
set(CMAKE_CXX_FLAGS_INIT "-D_WIN32_WINNT=0x0A00 -DNOMINMAX -DWIN32_LEAN_AND_MEAN")
set(CMAKE_C_FLAGS_INIT "-D_WIN32_WINNT=0x0A00 -DNOMINMAX -DWIN32_LEAN_AND_MEAN")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")

# pkg-config must not answer with the libraries of this machine.
set(ENV{PKG_CONFIG_LIBDIR} /usr/x86_64-w64-mingw32/lib/pkgconfig)
set(ENV{PKG_CONFIG_PATH} "")

set(CMAKE_CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_LIST_DIR}/../../tests/support/wine.sh)
