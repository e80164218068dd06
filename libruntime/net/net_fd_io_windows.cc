// The reads and writes of NetFd on Windows, where those of sockets and pipes go by operations (net_fd_completion.cc).
// Everything else is a file, and its calls block.
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "libruntime/net/file_calls.h"
#include "libruntime/net/net_fd.h"
#include "netpoll/go.h"

namespace netpoll::net {
namespace {

// What send_file() reads at a time.
constexpr std::size_t kFilePiece = std::size_t{256} << 10;

}  // namespace

long NetFd::read(void* buffer, std::size_t size) {
  const iovec one{.iov_base = buffer, .iov_len = std::min(size, kMaxTransfer)};
  return readv(&one, 1);
}

long NetFd::readv(const iovec* buffers, std::size_t count) {
  if (!mutex_.lock(FdMutex::Lock::kRead)) return kIoClosing;
  const bool room = std::any_of(buffers, buffers + count, [](const iovec& buffer) { return buffer.iov_len > 0; });
  const long result = room ? complete_read(buffers, count) : 0;
  unlock(FdMutex::Lock::kRead);
  return result;
}

long NetFd::write_all(const void* data, std::size_t size) {
  const iovec one{.iov_base = const_cast<void*>(data), .iov_len = size};
  return writev_all(&one, 1);
}

long NetFd::writev_all(const iovec* buffers, std::size_t count) {
  if (!mutex_.lock(FdMutex::Lock::kWrite)) return kIoClosing;
  std::size_t total = 0;
  long result = 0;
  for (std::size_t i = 0; i < count && result >= 0; ++i) {
    auto* next = static_cast<char*>(buffers[i].iov_base);
    for (std::size_t left = buffers[i].iov_len; left > 0;) {
      const iovec one{.iov_base = next, .iov_len = std::min(left, kMaxTransfer)};
      result = complete_write(&one, 1);
      if (result < 0) break;
      next += result;
      left -= static_cast<std::size_t>(result);
      total += static_cast<std::size_t>(result);
    }
  }
  unlock(FdMutex::Lock::kWrite);
  return result < 0 ? result : static_cast<long>(total);
}

long NetFd::send_file(int file_fd, std::int64_t offset, std::size_t count) {
  if (!mutex_.lock(FdMutex::Lock::kWrite)) return kIoClosing;
  FileState file;
  block_on([&] { look_at_file(file_fd, file); });
  std::vector<char> piece(std::min(count, kFilePiece));
  std::size_t left = count;
  long result = 0;
  while (left > 0 && result >= 0) {
    const long got =
        block_on([&] { return read_file(file_fd, file, piece.data(), std::min(left, piece.size()), offset); });
    if (got <= 0) {  // 0: the file ends here
      result = got;
      break;
    }
    for (long sent = 0; sent < got && result >= 0; sent += std::max(result, 0L)) {
      const iovec one{.iov_base = piece.data() + sent, .iov_len = static_cast<std::size_t>(got - sent)};
      result = complete_write(&one, 1);
    }
    offset += got;
    if (result >= 0) left -= static_cast<std::size_t>(got);
  }
  unlock(FdMutex::Lock::kWrite);
  return result < 0 ? result : static_cast<long>(count - left);
}

long NetFd::recv_from(void* buffer, std::size_t size, Addr* from) {
  if (!mutex_.lock(FdMutex::Lock::kRead)) return kIoClosing;
  const long result = complete_recv_from(buffer, size, from);
  unlock(FdMutex::Lock::kRead);
  return result;
}

long NetFd::send_to(const void* data, std::size_t size, const Addr* to) {
  if (!mutex_.lock(FdMutex::Lock::kWrite)) return kIoClosing;
  const long result = complete_send_to(data, size, to);
  unlock(FdMutex::Lock::kWrite);
  return result;
}

long NetFd::accept_locked(Addr& peer) { return complete_accept(peer); }

// A receive of nothing: it ends when there is something, and takes no buffer meanwhile.
bool NetFd::must_wait(long&) { return true; }

bool NetFd::waited(long) { return true; }

// Nothing waits for room in a pipe: a write of nothing ends at once, and the quota that the system tells for one
// (FilePipeLocalInformation) has no event and is less while a reader waits, so that it cannot be polled for either.
bool NetFd::waits_for(poll::Mode mode) const {
  return is_socket() || (mode == poll::Mode::kRead && kind_ != FdKind::kWriteOnly);
}

}  // namespace netpoll::net
