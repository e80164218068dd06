// PageServer: a few pages over HTTP, for a program that has other things to do and one thread to do them on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "exporters/http/listening.h"
#include "netpoll/result.h"

namespace netpoll::http {

struct Page {
  std::string text;
  std::string type;  // its Content-Type
};

// Nothing in it waits: a client that is slow or silent costs its descriptor, is dropped after some seconds, and before
// that where the room is needed for another. All calls on one thread; movable.
class PageServer {
 public:
  // kNotSupported where this build has no HTTP; else as Listening::open().
  static Result<PageServer> open(const std::string& address, const ListenOptions& options);
  PageServer(PageServer&&) noexcept;
  PageServer& operator=(PageServer&&) = delete;
  ~PageServer();

  // Who is asked for the page at path, with the client's Accept header. Before the first step().
  void get(const std::string& path, std::function<Page(const std::string& accept)> page);

  const std::string& address() const;
  // Readable when step() has something to do.
  int fd() const;
  // Reads, answers and writes what can be at once, and drops whoever took too long: call it also now and then. Requests
  // that are complete are answered together, one after the other.
  void step();

 private:
  struct State;
  explicit PageServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace netpoll::http
