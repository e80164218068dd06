// The mode and access of an open file, which only the system's own interface tells (NtQueryInformationFile).
#include "libruntime/net/handle_windows.h"

#include <windows.h>

#include <winternl.h>

#include <cstdint>

namespace netpoll::net {
namespace {

// Of FILE_INFORMATION_CLASS, whose names winternl.h keeps to itself: ntifs.h, FILE_ACCESS_INFORMATION and
// FILE_MODE_INFORMATION, each of one ULONG.
constexpr auto kFileAccessInformation = static_cast<FILE_INFORMATION_CLASS>(8);
constexpr auto kFileModeInformation = static_cast<FILE_INFORMATION_CLASS>(16);
constexpr ULONG kSynchronousAlert = 0x10;
constexpr ULONG kSynchronousNonAlert = 0x20;

bool query(int fd, FILE_INFORMATION_CLASS what, ULONG& answer) {
  IO_STATUS_BLOCK status;
  return NT_SUCCESS(NtQueryInformationFile(reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(fd)), &status, &answer,
                                           sizeof answer, what));
}

}  // namespace

HandleUse handle_use(int fd) {
  ULONG mode = 0;
  ULONG access = 0;
  if (!query(fd, kFileModeInformation, mode) || !query(fd, kFileAccessInformation, access)) return {};
  return {.overlapped = (mode & (kSynchronousAlert | kSynchronousNonAlert)) == 0,
          .reads = (access & FILE_READ_DATA) != 0,
          .writes = (access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) != 0,
          .appends = (access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) == FILE_APPEND_DATA};
}

}  // namespace netpoll::net
