// RawConn: callbacks that get the descriptor.
#include "netpoll/net/raw_conn.h"

#include "libruntime/net/net_fd.h"

namespace netpoll {
namespace {

Error no_conn(const char* operation) { return Error(ErrorKind::kClosing, operation); }

}  // namespace

RawConn::RawConn(net::NetFd* fd) : fd_(fd) { fd_->ref(); }

RawConn::RawConn(const RawConn& other) : fd_(other.fd_) {
  if (fd_ != nullptr) fd_->ref();
}

RawConn::~RawConn() {
  if (fd_ != nullptr) fd_->unref();
}

Result<void> RawConn::control(const std::function<void(int fd)>& f) const {
  if (fd_ == nullptr) return no_conn("raw control");
  fd_->expose();
  const long result = fd_->with_fd(f);
  if (result < 0) return fd_->error("raw control", result);
  return {};
}

Result<void> RawConn::read(const std::function<bool(int fd)>& f) const {
  if (fd_ == nullptr) return no_conn("raw read");
  if (fd_->kind() == net::FdKind::kListener) return fd_->error("raw read", -EINVAL);
  if (!fd_->waits_for(poll::Mode::kRead)) return fd_->error("raw read", -EOPNOTSUPP);
  fd_->expose();
  const long result = fd_->raw_loop(poll::Mode::kRead, f);
  if (result < 0) return fd_->error("raw read", result);
  return {};
}

Result<void> RawConn::write(const std::function<bool(int fd)>& f) const {
  if (fd_ == nullptr) return no_conn("raw write");
  if (fd_->kind() == net::FdKind::kListener) return fd_->error("raw write", -EINVAL);
  if (!fd_->waits_for(poll::Mode::kWrite)) return fd_->error("raw write", -EOPNOTSUPP);
  fd_->expose();
  const long result = fd_->raw_loop(poll::Mode::kWrite, f);
  if (result < 0) return fd_->error("raw write", result);
  return {};
}

}  // namespace netpoll
