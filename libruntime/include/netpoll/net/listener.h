// Listener: accepts streams on a TCP or Unix address.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "netpoll/fd.h"
#include "netpoll/net/addr.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/deadline.h"
#include "netpoll/net/raw_conn.h"
#include "netpoll/result.h"

namespace netpoll {

struct ListenOptions {
  int backlog = 4096;           // bounded by net.core.somaxconn
  bool reuse_port = false;      // SO_REUSEPORT: several listeners share the port, the kernel spreads connections
  bool no_delay = true;         // TCP_NODELAY for the accepted connections (set once here: Linux lets them inherit it)
  bool unlink_on_close = true;  // removes the file of a Unix address at close
  // Runs between socket() and bind(), for options that must be set by then. Its error ends listen().
  std::function<Result<void>(int fd)> control;
};

// Listener owns a listening socket. Thread contract and errors as Conn's; several goroutines may accept at once.
class Listener {
 public:
  Listener() = default;
  Listener(Listener&& other) noexcept = default;
  Listener& operator=(Listener&& other) noexcept;
  ~Listener();  // closes, dropping the error

  // Binds and listens. SO_REUSEADDR is set. An IPv6 wildcard address also takes IPv4 connections. EADDRINUSE for a Unix
  // path where a file exists, whoever left it there.
  static Result<Listener> listen(const Addr& address, const ListenOptions& options = {});
  static Result<Listener> listen(std::string_view address, const ListenOptions& options = {});
  // Takes a listening socket from elsewhere (socket activation). Sets O_NONBLOCK. On failure fd is closed.
  static Result<Listener> adopt(Fd fd);

  // Parks until a connection is there. When the process or the system is out of descriptors (EMFILE, ENFILE) or
  // memory (ENOBUFS, ENOMEM), the connection stays in the kernel's queue and accept() tries again after a pause that
  // grows from 5 ms to 1 s (wait reason "accept backoff"); see backoffs(). Connections that died in the queue are
  // passed over.
  Result<Conn> accept();

  // Closes. kClosing when that was already done. The port is free then; over io_uring, where the kernel holds an accept
  // that was under way for a moment longer, a listen() right behind it may find it taken (EADDRINUSE).
  Result<void> close();
  // For accept(); see Conn::set_deadline.
  Result<void> set_deadline(TimePoint deadline);

  // The address bound to, with the port the kernel chose. Stays valid after close.
  const Addr& local() const;
  // control() only: read() and write() are kInvalid, as in Go.
  RawConn raw() const;
  // How many times accept() had to pause for want of descriptors or memory.
  std::uint64_t backoffs() const;

  bool valid() const { return state_ != nullptr; }
  int fd() const;  // for display only; -1 when not valid

 private:
  struct State;
  struct StateDeleter {
    void operator()(State* state) const;
  };
  explicit Listener(std::unique_ptr<State, StateDeleter> state) : state_(std::move(state)) {}
  static Result<Listener> open(Fd fd, bool unlink_on_close, bool shared);

  std::unique_ptr<State, StateDeleter> state_;
};

}  // namespace netpoll
