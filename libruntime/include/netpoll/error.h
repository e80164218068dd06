// Error values. Expected failures are values of type Error inside Result<T> (result.h); broken invariants end the
// process through fatal() (libruntime/base/fatal.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace netpoll {

// ErrorKind says what a caller can do about a failure; errno says what the kernel said.
enum class ErrorKind : std::uint8_t {
  kSystem,        // a system call failed; see Error::sys_errno()
  kClosing,       // use of a closed or closing descriptor (Go: net.ErrClosed)
  kTimeout,       // a deadline passed (Go: os.ErrDeadlineExceeded)
  kCanceled,      // the context or the runtime was cancelled
  kEof,           // end of stream where more bytes were required
  kPermission,    // EPERM, EACCES and relatives
  kNotFound,      // the process, file or address does not exist
  kNotSupported,  // this kernel, platform or target cannot do it
  kNotPollable,   // epoll refuses the descriptor (a regular file)
  kInvalid,       // the caller's argument is wrong
  kProtocol,      // bytes that do not follow their format
};

// Returns the stable lower-case name of kind ("timeout"), used in JSON and messages.
std::string_view error_kind_name(ErrorKind kind);

// Error is a kind, the errno behind it (0 if none), a context that grows outward ("connect 127.0.0.1:80"), and an
// optional hint: what the user could do next. A value type; copying allocates only for long contexts.
class [[nodiscard]] Error {
 public:
  Error(ErrorKind kind, std::string context, int sys_errno = 0)
      : context_(std::move(context)), sys_errno_(sys_errno), kind_(kind) {}

  ErrorKind kind() const { return kind_; }
  int sys_errno() const { return sys_errno_; }
  const std::string& context() const { return context_; }
  const std::string& hint() const { return hint_; }

  // Returns "context: reason", the one line a user sees.
  std::string message() const;

  // Prefixes the context with what the caller was doing: "attach to pid 41: " + context.
  Error&& within(std::string_view outer) &&;
  // Attaches a hint, replacing an earlier one.
  Error&& with_hint(std::string hint) &&;

  bool is(ErrorKind kind) const { return kind_ == kind; }

 private:
  std::string context_;
  std::string hint_;
  int sys_errno_;
  ErrorKind kind_;
};

// posix_error is the one place where an errno becomes an Error: it picks the kind from the errno.
// context names the call and its object: "epoll_ctl(add, fd 7)".
Error posix_error(std::string context, int sys_errno);

}  // namespace netpoll
