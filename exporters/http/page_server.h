// PageServer: a few pages over HTTP, for a program that has other things to do and one thread to do them on.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "exporters/http/listening.h"
#include "exporters/http/request.h"
#include "netpoll/result.h"

namespace netpoll::http {

// A page that is made after a while, unless the client leaves before.
struct LaterPage {
  std::chrono::seconds after;
  std::function<Page()> page;
};

using PageMaker = std::function<std::variant<Page, LaterPage>(const Request&)>;

// Nothing in it waits: a client that is slow or silent costs its descriptor, is dropped after some seconds, and before
// that where the room is needed for another. GET and HEAD are answered, and whom Listening admits. All calls on one
// thread; movable.
class PageServer {
 public:
  // As Listening::open().
  static Result<PageServer> open(const std::string& address, const ListenOptions& options);
  PageServer(PageServer&&) noexcept;
  PageServer& operator=(PageServer&&) = delete;
  ~PageServer();

  // Who makes the page at path. Before the first step().
  void get(const std::string& path, PageMaker maker);

  const std::string& address() const;
  // Readable when step() has something to do.
  int fd() const;
  // For how long step() has nothing to do while fd() is not readable, as poll() takes it; -1: for ever.
  int idle_ms() const;
  // Reads, answers and writes what can be at once, and drops whoever took too long. Requests that are complete are
  // answered together, one after the other.
  void step();

 private:
  struct State;
  explicit PageServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace netpoll::http
