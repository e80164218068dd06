// A pipe is a named one whose name nobody is told, since anonymous pipes have no overlapped calls. A socket pair is a
// TCP connection over the loopback, for Windows has no socketpair().
#include <sys/socket.h>

#include <windows.h>

#include <atomic>

#include "libruntime/base/wide.h"
#include "libruntime/base/winsock_error.h"
#include "libruntime/net/net_fd.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/pipe.h"

namespace netpoll {
namespace {

constexpr DWORD kPipeRoom = 65536;  // as Linux has

// What CreateNamedPipe and CreateFile return, as a descriptor; none where they failed.
Fd fd_of(HANDLE handle) {
  return handle == INVALID_HANDLE_VALUE ? Fd() : Fd(static_cast<int>(reinterpret_cast<std::intptr_t>(handle)));
}

Error failed() { return posix_error("pipe", base::errno_of(GetLastError())); }

}  // namespace

Result<std::pair<Conn, Conn>> pipe() {
  static std::atomic<unsigned> serial{0};
  const std::wstring name = base::widen("\\\\.\\pipe\\netpoll-" + std::to_string(GetCurrentProcessId()) + "-" +
                                        std::to_string(serial.fetch_add(1)));
  // Of one instance: whoever comes between these two calls takes the place, and then the second one fails.
  Fd write_end =
      fd_of(CreateNamedPipeW(name.c_str(), PIPE_ACCESS_OUTBOUND | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
                             PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1, kPipeRoom,
                             kPipeRoom, 0, nullptr));
  if (!write_end.valid()) return failed();
  Fd read_end =
      fd_of(CreateFileW(name.c_str(), GENERIC_READ, 0, nullptr, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, nullptr));
  if (!read_end.valid()) return failed();
  auto reader = net::NetFd::create(read_end, net::FdKind::kPipe, Addr(), /*shared=*/false);
  if (!reader) return std::move(reader).error();
  Conn first(*reader);
  auto writer = net::NetFd::create(write_end, net::FdKind::kWriteOnly, Addr(), /*shared=*/false);
  if (!writer) return std::move(writer).error();
  return std::pair(std::move(first), Conn(*writer));
}

Result<std::pair<Conn, Conn>> socket_pair() {
  auto listener = Listener::listen("127.0.0.1:0");
  if (!listener) return std::move(listener).error().within("socketpair");
  // The listen queue takes it, accepted or not.
  auto here = dial(listener->local());
  if (!here) return std::move(here).error().within("socketpair");
  const Addr name = here->local();
  for (;;) {
    auto there = listener->accept();
    if (!there) return std::move(there).error().within("socketpair");
    // Until the listener is closed any process of this machine may connect to it. Such strangers are turned away.
    if (there->peer() == name) return std::pair(std::move(*here), std::move(*there));
  }
}

}  // namespace netpoll
