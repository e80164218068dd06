// prey_server.h: small stream servers, right and wrong ones, for the load generator to find out.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "netpoll/fd.h"

namespace netpoll::test {

enum class Behaviour {
  kEcho,        // right
  kFlipBit,     // the 20th answer has one bit wrong
  kMisroute,    // answers go to the connection that was accepted before
  kDouble,      // every answer comes twice
  kSwallow,     // the 20th message gets no answer
  kCloseEarly,  // closes instead of the 20th answer
  kReset,       // resets instead of the 20th answer
  kNeverClose,  // does not close at the end of a connection
};

// Serves on its own thread, from construction to destruction. Plain poll(2), no libruntime.
class PreyServer {
 public:
  // address: "127.0.0.1", "::1" or "unix:@name".
  explicit PreyServer(Behaviour behaviour, const std::string& address = "127.0.0.1");
  ~PreyServer();

  const std::string& address() const { return address_; }
  std::uint64_t accepted() const { return accepted_; }
  // Ends of stream that were seen.
  std::uint64_t ended() const { return ended_; }

 private:
  void serve();

  const Behaviour behaviour_;
  std::string address_;
  Fd listener_;
  Fd stop_read_;
  Fd stop_write_;
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> ended_{0};
  std::thread thread_;
};

}  // namespace netpoll::test
