// Errors in words: kind, errno, context and hint.
#include "netpoll/error.h"

#include <cerrno>

#include "libruntime/base/system.h"

namespace netpoll {

std::string_view error_kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kSystem:
      return "system";
    case ErrorKind::kClosing:
      return "closing";
    case ErrorKind::kTimeout:
      return "timeout";
    case ErrorKind::kCanceled:
      return "canceled";
    case ErrorKind::kEof:
      return "eof";
    case ErrorKind::kPermission:
      return "permission";
    case ErrorKind::kNotFound:
      return "not-found";
    case ErrorKind::kNotSupported:
      return "not-supported";
    case ErrorKind::kNotPollable:
      return "not-pollable";
    case ErrorKind::kInvalid:
      return "invalid";
    case ErrorKind::kProtocol:
      return "protocol";
  }
  return "unknown";
}

namespace {

// What a kind says where no errno speaks for it.
const char* kind_reason(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kClosing:
      return "use of closed connection";
    case ErrorKind::kTimeout:
      return "deadline exceeded";
    case ErrorKind::kCanceled:
      return "canceled";
    case ErrorKind::kEof:
      return "unexpected end of stream";
    case ErrorKind::kNotPollable:
      return "descriptor cannot be polled";
    default:
      return nullptr;
  }
}

ErrorKind kind_of(int sys_errno) {
  switch (sys_errno) {
    case EPERM:
    case EACCES:
      return ErrorKind::kPermission;
    case ESRCH:
    case ENOENT:
      return ErrorKind::kNotFound;
    case ENOSYS:
    case EOPNOTSUPP:
      return ErrorKind::kNotSupported;
    case EINVAL:
      return ErrorKind::kInvalid;
    case ETIMEDOUT:
      return ErrorKind::kTimeout;
    case ECANCELED:
      return ErrorKind::kCanceled;
    default:
      return ErrorKind::kSystem;
  }
}

}  // namespace

std::string Error::message() const {
  if (sys_errno_ != 0) return context_ + ": " + base::errno_text(sys_errno_);
  if (const char* reason = kind_reason(kind_)) return context_ + ": " + reason;
  return context_;
}

Error&& Error::within(std::string_view outer) && {
  context_.insert(0, ": ").insert(0, outer);
  return std::move(*this);
}

Error&& Error::with_hint(std::string hint) && {
  hint_ = std::move(hint);
  return std::move(*this);
}

Error posix_error(std::string context, int sys_errno) {
  return Error(kind_of(sys_errno), std::move(context), sys_errno);
}

}  // namespace netpoll
