// Closing of owned descriptors: the handles of sockets and files, which have 32 significant bits.
#include "netpoll/fd.h"

#include <windows.h>
#include <winsock2.h>

#include <cstdint>

namespace netpoll {

void Fd::reset(int fd) {
  if (fd_ >= 0) {
    const auto handle = static_cast<std::uintptr_t>(fd_);
    if (closesocket(handle) != 0) CloseHandle(reinterpret_cast<HANDLE>(handle));
  }
  fd_ = fd;
}

}  // namespace netpoll
