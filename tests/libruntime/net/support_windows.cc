// Handles as a program has them that knows nothing of netpoll.
#include <windows.h>

#include <cstdint>

#include "tests/libruntime/net/support.h"

namespace netpoll::test {
namespace {

HANDLE handle_of(int fd) { return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(fd)); }
Fd fd_of(HANDLE handle) { return Fd(static_cast<int>(reinterpret_cast<std::intptr_t>(handle))); }

// The count of an overlapped call on fd, which start() starts; 0 when it fails.
template <typename Start>
std::size_t overlapped(int fd, Start&& start) {
  const HANDLE event = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  OVERLAPPED call{};
  // The lowest bit keeps the end of this operation from the Runtime's completion port (GetQueuedCompletionStatus).
  call.hEvent = reinterpret_cast<HANDLE>(reinterpret_cast<std::uintptr_t>(event) | 1);
  DWORD count = 0;
  if (start(&call) || GetLastError() == ERROR_IO_PENDING) GetOverlappedResult(handle_of(fd), &call, &count, TRUE);
  CloseHandle(event);
  return count;
}

}  // namespace

std::pair<Fd, Fd> blocking_pipe(Checks& checks) {
  HANDLE reader = INVALID_HANDLE_VALUE;
  HANDLE writer = INVALID_HANDLE_VALUE;
  EXPECT_THAT(checks, CreatePipe(&reader, &writer, nullptr, 0) != FALSE);
  return {fd_of(reader), fd_of(writer)};
}

bool is_open(int fd) {
  DWORD flags = 0;
  return GetHandleInformation(handle_of(fd), &flags) != FALSE;
}

Fd open_from_outside(Checks& checks, const std::string& path) {
  const HANDLE file = CreateFileA(path.c_str(), GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                  nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  EXPECT_THAT(checks, file != INVALID_HANDLE_VALUE);
  return fd_of(file);
}

bool write_from_outside(int fd, std::string_view text) {
  return overlapped(fd, [&](OVERLAPPED* overlapped) {
           return WriteFile(handle_of(fd), text.data(), static_cast<DWORD>(text.size()), nullptr, overlapped);
         }) == text.size();
}

std::optional<std::string> read_from_outside(int fd) {
  DWORD there = 0;
  if (PeekNamedPipe(handle_of(fd), nullptr, 0, nullptr, &there, nullptr) == FALSE) return "";
  if (there == 0) return std::nullopt;
  std::string text(there, '\0');
  text.resize(overlapped(
      fd, [&](OVERLAPPED* overlapped) { return ReadFile(handle_of(fd), text.data(), there, nullptr, overlapped); }));
  return text;
}

}  // namespace netpoll::test
