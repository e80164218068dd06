// What net/ asks of the kernel by number, done by Winsock and by handles of files: base/syscall.h. Operations that may
// take a while are not among them; those go through the completion port (poll/poller_iocp.cc) or, on files, block
// (net/file_calls_windows.cc).
#include "libruntime/base/syscall.h"

#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "libruntime/base/winsock_error.h"

namespace netpoll::base {
namespace {

using Words = std::array<Word, 6>;

SOCKET socket_of(Word fd) { return static_cast<SOCKET>(fd); }
HANDLE handle_of(Word fd) { return reinterpret_cast<HANDLE>(fd); }
template <typename T>
T* pointer(Word word) {
  return reinterpret_cast<T*>(word);
}

// Of a call of Winsock that returns 0 or SOCKET_ERROR.
Word done(int result) { return result == 0 ? 0 : -errno_of(static_cast<unsigned long>(WSAGetLastError())); }
Word file_error() { return -errno_of(GetLastError()); }

Word make_socket(const Words& a) {
  start_winsock();
  const int type = static_cast<int>(a[1]) & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  const SOCKET made = WSASocketW(static_cast<int>(a[0]), type, static_cast<int>(a[2]), nullptr, 0,
                                 WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
  if (made == INVALID_SOCKET) return done(-1);
  // For who takes the descriptor into his own hands (RawConn); operations of a completion port never block.
  u_long non_blocking = 1;
  if ((a[1] & SOCK_NONBLOCK) != 0) ioctlsocket(made, FIONBIO, &non_blocking);
  return static_cast<Word>(made);
}

}  // namespace

Word raw_syscall(long number, Word a, Word b, Word c, Word d, Word e, Word f) {
  const Words w{a, b, c, d, e, f};
  switch (number) {
    case SYS_socket:
      return make_socket(w);
    case SYS_bind:
      return done(bind(socket_of(a), pointer<sockaddr>(b), static_cast<int>(c)));
    case SYS_listen:
      return done(listen(socket_of(a), static_cast<int>(b)));
    case SYS_connect:
      return done(connect(socket_of(a), pointer<sockaddr>(b), static_cast<int>(c)));
    case SYS_shutdown:
      return done(shutdown(socket_of(a), static_cast<int>(b)));
    case SYS_getsockname:
      return done(getsockname(socket_of(a), pointer<sockaddr>(b), pointer<int>(c)));
    case SYS_getpeername:
      return done(getpeername(socket_of(a), pointer<sockaddr>(b), pointer<int>(c)));
    case SYS_getsockopt:
      return done(
          getsockopt(socket_of(a), static_cast<int>(b), static_cast<int>(c), pointer<char>(d), pointer<int>(e)));
    case SYS_setsockopt:
      return done(
          setsockopt(socket_of(a), static_cast<int>(b), static_cast<int>(c), pointer<char>(d), static_cast<int>(e)));
    case SYS_close:
      if (closesocket(socket_of(a)) == 0) return 0;
      if (WSAGetLastError() != WSAENOTSOCK && WSAGetLastError() != WSANOTINITIALISED) return done(-1);
      return CloseHandle(handle_of(a)) ? 0 : file_error();
    case SYS_fsync:
      return FlushFileBuffers(handle_of(a)) ? 0 : file_error();
    default:
      return -ENOSYS;
  }
}

}  // namespace netpoll::base
