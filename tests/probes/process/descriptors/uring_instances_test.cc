// What fdinfo says of an instance of io_uring, and what it leaves open.
#include "probes/process/descriptors/uring_instances.h"

#include <optional>
#include <sstream>
#include <string>

#include "tests/support/catch.h"

namespace netpoll::probes {
namespace {

UringInstance parsed(const std::string& text) {
  std::istringstream stream(text);
  return parse_uring_fdinfo(stream);
}

}  // namespace

TEST_CASE("the queues of io_uring and what stands in them are read from fdinfo") {
  const UringInstance ring = parsed(
      "pos:\t0\nSqMask:\t0x1ff\nSqHead:\t4294967294\nSqTail:\t3\nCachedSqHead:\t3\nCqMask:\t0xfff\nCqHead:\t7\n"
      "CqTail:\t9\nSQEs:\t5\nSqThread:\t4711\nUserFiles:\t2\n    0: socket:[1]\n    1: <none>\nUserBufs:\t0\n"
      "PollList:\n  op=27, task_works=0\n  op=6, task_works=0\nCqOverflowList:\n  user_data=1, res=0, flags=0\n");
  CHECK(ring.sq_entries == 512u);
  CHECK(ring.cq_entries == 4096u);
  CHECK(ring.queued == 5u);  // past the wrap of the counters
  CHECK(ring.completed == 2u);
  CHECK(ring.overflowed == 1u);
  CHECK(ring.polls == 2u);
  CHECK(ring.registered_files == 2u);
  CHECK(ring.sq_thread == 4711);
}

TEST_CASE("what a kernel does not say of io_uring is not known") {
  const UringInstance ring = parsed("pos:\t0\nSqThread:\t-1\nUserFiles:\t0\n  odd line\nno colon\n");
  CHECK(ring.registered_files == 0u);
  CHECK_FALSE(ring.sq_thread);
  for (const auto& figure :
       {ring.sq_entries, ring.cq_entries, ring.queued, ring.completed, ring.overflowed, ring.polls}) {
    CHECK_FALSE(figure);
  }
}

}  // namespace netpoll::probes
