# Cross-compiles for 64-bit ARM on a Debian or Ubuntu machine and runs the tests in the user emulation of QEMU:
#   cmake --preset aarch64 && cmake --build --preset aarch64 && ctest --preset aarch64
#
# Of the libraries only the headers are needed (Catch2, CLI11 and nlohmann-json have nothing else): the cross compiler
# finds them in /usr/include, which every architecture shares. libbpf for the target is not expected, so the eBPF back
# end is left out, as it is wherever libbpf is missing.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

# pkg-config must not answer with the libraries of this machine.
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig)
set(ENV{PKG_CONFIG_PATH} "")

# -L: where the emulated programs find their dynamic linker and libraries (package libc6-arm64-cross).
find_program(NETPOLL_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
if(NETPOLL_QEMU_AARCH64)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${NETPOLL_QEMU_AARCH64} -L /usr/aarch64-linux-gnu)
endif()
