// Skips a whole test program where the machine has no io_uring for us.
#include <cstring>
#include <string>

#include "libruntime/poll/poller.h"

const char* netpoll_test_cannot_run() {
  static std::string reason;
  const auto poller = netpoll::poll::make_poller(netpoll::PollerKind::kUring, netpoll::Trigger::kEdge);
  const int result = poller->init();
  if (result == 0) return nullptr;
  const char* hint = poller->hint(-result);
  reason = std::string("io_uring: ") + std::strerror(-result) + (hint != nullptr ? std::string("; ") + hint : "");
  return reason.c_str();
}
