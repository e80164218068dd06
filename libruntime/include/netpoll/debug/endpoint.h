// The debug endpoint: a program's goroutines over HTTP, in Go's own formats.
//
//   auto endpoint = netpoll::debug::serve(runtime);      // one line; link netpoll::debug
//
//   curl --unix-socket PATH http://localhost/debug/pprof/goroutine?debug=2
//   go tool pprof http://127.0.0.1:PORT/debug/pprof/goroutine
//
// Paths: /debug/pprof/ (an index), /debug/pprof/goroutine (a gzipped pprof profile; ?debug=1 and ?debug=2: the texts of
// Go's net/http/pprof; ?seconds=N: a profile of what changed in so long; &all=1: the runtime's own frames too),
// /debug/netpoll (JSON: the document of netpoll-trace snapshot), /metrics (Prometheus).
//
// It runs on a thread of its own, never on the runtime's, and answers one request after the other. Nothing waits for
// it: a client that is slow or silent is dropped after some seconds, and of those that wait for ?seconds=N no more than
// 16 are let in. While it is there, a deadlock of all goroutines is not reported (Config::detect_deadlock), since the
// process has a thread that could wake somebody.
#pragma once

#include <memory>
#include <string>

#include "netpoll/result.h"
#include "netpoll/runtime.h"

namespace netpoll::debug {

struct EndpointOptions {
  // "unix:/path", or "127.0.0.1:6060", "[::1]:0", "localhost:6060" with port 0 for any. Empty: a Unix socket named
  // netpoll-PID.sock in $XDG_RUNTIME_DIR, else in /tmp.
  //
  // Behind a Unix socket (mode 0600) only this process's user and root are answered, which the kernel is asked for
  // (SO_PEERCRED). Over TCP every user of the machine is; requests that name another host than the machine itself are
  // refused, for a browser may be made to send them.
  std::string address;
  // Without it any address but those of the machine itself (127.0.0.0/8, ::1) is refused: stacks and labels are nobody
  // else's business, and there is no password.
  bool allow_remote = false;
};

// Serves until it is destroyed, which has to happen before the Runtime is, and waits for a request that is being
// answered.
class Endpoint {
 public:
  Endpoint(Endpoint&&) noexcept;
  Endpoint& operator=(Endpoint&&) noexcept;
  ~Endpoint();

  // "unix:/run/user/1000/netpoll-4711.sock", "127.0.0.1:6060": with the port that the kernel chose.
  const std::string& address() const;

 private:
  friend Result<Endpoint> serve(const Runtime& runtime, const EndpointOptions& options);
  struct Server;
  explicit Endpoint(std::unique_ptr<Server> server);
  std::unique_ptr<Server> server_;
};

// Starts an endpoint for runtime. Not from a goroutine's stack, which is too small: before run(), or from another
// thread. kInvalid for an address that is not allowed; else the kernel's reason.
Result<Endpoint> serve(const Runtime& runtime, const EndpointOptions& options = {});

// While it exists, SIGQUIT (Ctrl-backslash) prints the goroutines of the Runtime to standard error, as Go does, and
// ends the process with status 2. The handler only wakes a thread, which does the rest. Destroy it before the Runtime:
// that puts the signal's former action back.
class QuitDump {
 public:
  QuitDump(QuitDump&&) noexcept;
  QuitDump& operator=(QuitDump&&) = delete;
  ~QuitDump();

 private:
  friend Result<QuitDump> dump_on_quit(const Runtime& runtime);
  struct State;
  explicit QuitDump(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};
// kInvalid while another one exists.
Result<QuitDump> dump_on_quit(const Runtime& runtime);

}  // namespace netpoll::debug
