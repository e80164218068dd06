// The reads and writes of NetFd, for back ends that complete operations (poll/poller.h). An Operation lies on the stack
// of its goroutine, which is parked until the kernel has given it back, so a connection that waits for nothing has
// none.
//
// No drain rule is needed here: whatever comes, the operation ends. What the last one said of more to read is passed on
// with the next, so that the kernel does not look in vain.
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "libruntime/net/net_fd.h"

namespace netpoll::net {

// Until op ends with something else than an interruption.
long NetFd::complete(poll::Mode mode, poll::Operation& op) {
  op.fd = sysfd_;
  op.pipe = !is_socket() && kind_ != FdKind::kListener;
  for (;;) {
    const poll::PollResult result = poller_->perform(*pd_, mode, op, this);
    if (result != poll::PollResult::kOk) [[unlikely]]
      return io_code(result);
    if (op.result == -EAGAIN) [[unlikely]] {
      // A kernel that does not wait where the descriptor is non-blocking.
      if (const poll::PollResult r = poller_->wait(*pd_, mode, this); r != poll::PollResult::kOk) return io_code(r);
    } else if (op.result != -EINTR) {
      return op.result;
    }
  }
}

[[gnu::noinline]] long NetFd::complete_read(const iovec* buffers, std::size_t count) {
  poll::Operation op{
      .kind = poll::OperationKind::kReceive, .expect_wait = drained_, .buffers = buffers, .buffer_count = count};
  const long result = complete(poll::Mode::kRead, op);
  if (result > 0) drained_ = !op.more;
  return result;
}

[[gnu::noinline]] long NetFd::complete_write(const iovec* buffers, std::size_t count) {
  poll::Operation op{.kind = poll::OperationKind::kSend, .buffers = buffers, .buffer_count = count};
  return complete(poll::Mode::kWrite, op);
}

[[gnu::noinline]] long NetFd::complete_recv_from(void* buffer, std::size_t size, Addr* from) {
  const iovec one{.iov_base = buffer, .iov_len = size};
  sockaddr_storage storage;
  poll::Operation op{.kind = poll::OperationKind::kReceive,
                     .expect_wait = drained_,
                     .buffers = &one,
                     .buffer_count = 1,
                     .address = from != nullptr ? &storage : nullptr,
                     .address_size = from != nullptr ? static_cast<std::uint32_t>(sizeof storage) : 0};
  const long result = complete(poll::Mode::kRead, op);
  if (result < 0) return result;
  drained_ = !op.more;
  if (from != nullptr)
    *from = Addr::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), static_cast<socklen_t>(op.address_size));
  return result;
}

[[gnu::noinline]] long NetFd::complete_send_to(const void* data, std::size_t size, const Addr* to) {
  const iovec one{.iov_base = const_cast<void*>(data), .iov_len = size};
  poll::Operation op{.kind = poll::OperationKind::kSend,
                     .buffers = &one,
                     .buffer_count = 1,
                     .address = to != nullptr ? const_cast<sockaddr*>(to->data()) : nullptr,
                     .address_size = to != nullptr ? static_cast<std::uint32_t>(to->size()) : 0};
  return complete(poll::Mode::kWrite, op);
}

[[gnu::noinline]] long NetFd::complete_accept(Addr& peer) {
  sockaddr_storage storage;
  poll::Operation op{.kind = poll::OperationKind::kAccept,
                     .address = &storage,
                     .address_size = static_cast<std::uint32_t>(sizeof storage)};
  const long result = complete(poll::Mode::kRead, op);
  if (result >= 0)
    peer = Addr::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), static_cast<socklen_t>(op.address_size));
  return result;
}

long NetFd::connect(const Addr& address) {
  poll::Operation op{.kind = poll::OperationKind::kConnect,
                     .address = const_cast<sockaddr*>(address.data()),
                     .address_size = static_cast<std::uint32_t>(address.size())};
  return complete(poll::Mode::kWrite, op);
}

}  // namespace netpoll::net
