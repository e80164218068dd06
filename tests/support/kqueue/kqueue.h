// kqueue.h: what tests have to know of the kqueue in kqueue.cc beyond <sys/event.h>.
#pragma once

namespace netpoll::test {

// Closes what belongs to kqueues whose descriptor was closed: for tests that count descriptors.
void reclaim_kqueues();

}  // namespace netpoll::test
