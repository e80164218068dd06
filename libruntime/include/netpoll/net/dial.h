// dial: connects to a TCP or Unix stream address.
#pragma once

#include <functional>
#include <string_view>

#include "netpoll/net/addr.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/deadline.h"
#include "netpoll/result.h"

namespace netpoll {

class Context;

struct DialOptions {
  TimePoint deadline = kNoDeadline;  // for connecting only; the Conn starts without deadlines
  Context* cancel = nullptr;         // ends the attempt with kCanceled; must outlive the call; see sync/context.h
  Addr local;                        // bound to first when valid; ":0" for either family
  bool no_delay = true;              // TCP_NODELAY
  // Runs between socket() and bind()/connect(). Its error ends dial().
  std::function<Result<void>(int fd)> control;
};

// Parks until the connection stands or failed: kTimeout, kCanceled, kSystem with ECONNREFUSED and so on, each saying
// "dial ADDRESS". A Unix listener whose backlog is full is tried again until the deadline, as connect(2) would block.
Result<Conn> dial(const Addr& address, const DialOptions& options = {});
Result<Conn> dial(std::string_view address, const DialOptions& options = {});

}  // namespace netpoll
