// The socket that pages are served on, and who may talk to it.
#pragma once

#include <string>
#include <string_view>

#include "netpoll/fd.h"
#include "netpoll/net/addr.h"
#include "netpoll/result.h"

namespace netpoll::http {

// Who listens, for messages: "debug endpoint", and what lets other machines in: "--allow-remote".
struct ListenOptions {
  std::string what;
  std::string remote_switch;
  bool allow_remote = false;
};

// Owns the socket, and the file of a Unix socket, which goes with it.
class Listening {
 public:
  // address: "unix:/path", or "127.0.0.1:6060", "[::1]:0", "localhost:6060" with port 0 for any. kInvalid for one that
  // is not allowed (other machines', without allow_remote), kExists for a Unix socket that somebody listens on; one
  // that nobody does is replaced.
  static Result<Listening> open(const std::string& address, const ListenOptions& options);
  Listening(Listening&&) noexcept = default;
  Listening& operator=(Listening&&) = delete;
  ~Listening();

  int fd() const { return fd_.get(); }
  bool is_unix() const { return address_.family() == AF_UNIX; }
  std::string address() const { return address_.str(); }

  // Whether the process at the other end of an accepted connection is this user's or root's. Over TCP nobody knows.
  bool admits(int connection) const;
  // Whether a request with this Host header was meant for us. A page in a browser can have a name of its own lead to
  // 127.0.0.1 and then read what it gets; the header still has the name.
  bool admits_host(std::string_view host) const;

 private:
  Listening(Fd fd, Addr address, bool remote) : fd_(std::move(fd)), address_(address), remote_(remote) {}

  Fd fd_;
  Addr address_;
  bool remote_;
};

}  // namespace netpoll::http
