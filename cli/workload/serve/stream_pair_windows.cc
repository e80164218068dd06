// Two ends of a TCP connection over the loopback, since Windows has no socket pairs.
#include "cli/workload/serve/stream_pair.h"

#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"

namespace netpoll::workload {

Result<std::pair<Conn, Conn>> stream_pair() {
  auto listener = Listener::listen("127.0.0.1:0");
  if (!listener) return std::move(listener).error();
  // The listen queue takes it, accepted or not.
  auto here = dial(listener->local());
  if (!here) return std::move(here).error();
  auto there = listener->accept();
  if (!there) return std::move(there).error();
  return std::pair(std::move(*here), std::move(*there));
}

}  // namespace netpoll::workload
