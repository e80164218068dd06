// poller_backends.h: the maker of each back end. A build has those that libruntime/poll/CMakeLists.txt compiles;
// poller_select.cc calls no others.
#pragma once

#include <memory>

#include "libruntime/poll/poller.h"

namespace netpoll::poll {

std::unique_ptr<Poller> make_epoll_poller(Trigger trigger);   // poller_epoll.cc
std::unique_ptr<Poller> make_iocp_poller(Trigger trigger);    // poller_iocp.cc
std::unique_ptr<Poller> make_kqueue_poller(Trigger trigger);  // poller_kqueue.cc
std::unique_ptr<Poller> make_uring_poller(Trigger trigger);   // poller_uring.cc

}  // namespace netpoll::poll
