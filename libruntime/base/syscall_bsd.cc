// What net/ asks of the kernel by number, done by the C library of FreeBSD and macOS: base/syscall.h. Their kernels
// promise no numbers. errno is read here, before anything can switch.
#include "libruntime/base/syscall.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

namespace netpoll::base {
namespace {

template <typename T>
T* pointer(Word word) {
  return reinterpret_cast<T*>(word);
}
int number(Word word) { return static_cast<int>(word); }

Word done(Word result) { return result < 0 ? -errno : result; }

// What sendfile(2) did: it says so beside its result, which is an error too where a non-blocking socket took a part.
// Moves *offset on, as Linux does.
Word sent_file(int result, off_t sent, off_t* offset) {
  if (result != 0 && sent == 0) return -errno;
  *offset += sent;
  return static_cast<Word>(sent);
}

#if defined(__APPLE__)

// macOS knows the flags of open(2) alone: what socket(2) and its kind made is given them afterwards. And it may send
// SIGPIPE to the process, not the thread, unless told not to for each descriptor.
Word with_flags(int fd, bool nonblocking, bool cloexec) {
  if (fd < 0) return -errno;
  const bool marked = (!cloexec || ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) &&
                      (!nonblocking || ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) == 0) &&
                      ::fcntl(fd, F_SETNOSIGPIPE, 1) == 0;
  if (marked) return fd;
  const int error = errno;
  ::close(fd);
  return -error;
}

Word with_flags(int fd, Word type) { return with_flags(fd, (type & SOCK_NONBLOCK) != 0, (type & SOCK_CLOEXEC) != 0); }

int plain(Word type) { return number(type & ~Word{SOCK_NONBLOCK | SOCK_CLOEXEC}); }

Word pair_with_flags(int result, const int* fds, bool nonblocking, bool cloexec) {
  if (result < 0) return -errno;
  for (int i = 0; i < 2; ++i) {
    if (const Word marked = with_flags(fds[i], nonblocking, cloexec); marked < 0) {
      ::close(fds[1 - i]);
      return marked;
    }
  }
  return 0;
}

Word make_socket(Word family, Word type, Word protocol) {
  return with_flags(::socket(number(family), plain(type), number(protocol)), type);
}

Word make_pair(Word family, Word type, Word protocol, int* fds) {
  return pair_with_flags(::socketpair(number(family), plain(type), number(protocol), fds), fds,
                         (type & SOCK_NONBLOCK) != 0, (type & SOCK_CLOEXEC) != 0);
}

Word make_pipe(int* fds, Word flags) {
  return pair_with_flags(::pipe(fds), fds, (flags & O_NONBLOCK) != 0, (flags & O_CLOEXEC) != 0);
}

Word accept_one(int fd, sockaddr* peer, socklen_t* size, Word flags) {
  return with_flags(::accept(fd, peer, size), flags);
}

Word wait_for(pollfd* fds, nfds_t count, const timespec* timeout) {
  return done(
      ::poll(fds, count, timeout == nullptr ? -1 : number(timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000)));
}

Word send_file(int socket, int file, off_t* offset, std::size_t count) {
  off_t sent = static_cast<off_t>(count);
  const int result = ::sendfile(file, socket, *offset, &sent, nullptr, 0);
  return sent_file(result, sent, offset);
}

#else

Word make_socket(Word family, Word type, Word protocol) {
  return done(::socket(number(family), number(type), number(protocol)));
}

Word make_pair(Word family, Word type, Word protocol, int* fds) {
  return done(::socketpair(number(family), number(type), number(protocol), fds));
}

Word make_pipe(int* fds, Word flags) { return done(::pipe2(fds, number(flags))); }

Word accept_one(int fd, sockaddr* peer, socklen_t* size, Word flags) {
  return done(::accept4(fd, peer, size, number(flags)));
}

Word wait_for(pollfd* fds, nfds_t count, const timespec* timeout) {
  return done(::ppoll(fds, count, timeout, nullptr));
}

Word send_file(int socket, int file, off_t* offset, std::size_t count) {
  off_t sent = 0;
  const int result = ::sendfile(file, socket, *offset, count, nullptr, &sent, 0);
  return sent_file(result, sent, offset);
}

#endif

}  // namespace

Word raw_syscall(long call, Word a, Word b, Word c, Word d, Word e, Word f) {
  const auto size = static_cast<std::size_t>(c);
  switch (call) {
    case SYS_socket:
      return make_socket(a, b, c);
    case SYS_socketpair:
      return make_pair(a, b, c, pointer<int>(d));
    case SYS_pipe2:
      return make_pipe(pointer<int>(a), b);
    case SYS_accept4:
      return accept_one(number(a), pointer<sockaddr>(b), pointer<socklen_t>(c), d);
    case SYS_bind:
      return done(::bind(number(a), pointer<sockaddr>(b), static_cast<socklen_t>(c)));
    case SYS_listen:
      return done(::listen(number(a), number(b)));
    case SYS_connect:
      return done(::connect(number(a), pointer<sockaddr>(b), static_cast<socklen_t>(c)));
    case SYS_shutdown:
      return done(::shutdown(number(a), number(b)));
    case SYS_getsockname:
      return done(::getsockname(number(a), pointer<sockaddr>(b), pointer<socklen_t>(c)));
    case SYS_getpeername:
      return done(::getpeername(number(a), pointer<sockaddr>(b), pointer<socklen_t>(c)));
    case SYS_getsockopt:
      return done(::getsockopt(number(a), number(b), number(c), pointer<void>(d), pointer<socklen_t>(e)));
    case SYS_setsockopt:
      return done(::setsockopt(number(a), number(b), number(c), pointer<void>(d), static_cast<socklen_t>(e)));
    case SYS_recvfrom:
      return done(
          ::recvfrom(number(a), pointer<void>(b), size, number(d), pointer<sockaddr>(e), pointer<socklen_t>(f)));
    case SYS_sendto:
      return done(
          ::sendto(number(a), pointer<void>(b), size, number(d), pointer<sockaddr>(e), static_cast<socklen_t>(f)));
    case SYS_recvmsg:
      return done(::recvmsg(number(a), pointer<msghdr>(b), number(c)));
    case SYS_sendmsg:
      return done(::sendmsg(number(a), pointer<msghdr>(b), number(c)));
    case SYS_sendfile:
      return send_file(number(a), number(b), pointer<off_t>(c), static_cast<std::size_t>(d));
    case SYS_read:
      return done(::read(number(a), pointer<void>(b), size));
    case SYS_readv:
      return done(::readv(number(a), pointer<iovec>(b), number(c)));
    case SYS_pread64:
      return done(::pread(number(a), pointer<void>(b), size, static_cast<off_t>(d)));
    case SYS_write:
      return done(::write(number(a), pointer<void>(b), size));
    case SYS_writev:
      return done(::writev(number(a), pointer<iovec>(b), number(c)));
    case SYS_pwrite64:
      return done(::pwrite(number(a), pointer<void>(b), size, static_cast<off_t>(d)));
    case SYS_openat:
      return done(::openat(number(a), pointer<char>(b), number(c), number(d)));
    case SYS_close:
      return done(::close(number(a)));
    case SYS_fcntl:
      return done(::fcntl(number(a), number(b), number(c)));
    case SYS_fstat:
      return done(::fstat(number(a), pointer<struct stat>(b)));
    case SYS_fsync:
      return done(::fsync(number(a)));
    case SYS_ppoll:
      return wait_for(pointer<pollfd>(a), static_cast<nfds_t>(b), pointer<timespec>(c));
    case SYS_unlinkat:
      return done(::unlinkat(number(a), pointer<char>(b), number(c)));
    default:
      return -ENOSYS;
  }
}

}  // namespace netpoll::base
