// Counts added to and taken from each other.
#include "probes/counts.h"

#include <cerrno>

#include "tests/support/catch.h"

namespace netpoll::probes {
namespace {

SyscallCounts& row(Counts& counts, Syscall syscall) { return counts.syscalls[static_cast<std::size_t>(syscall)]; }

Counts sample() {
  Counts counts;
  row(counts, Syscall::epoll_ctl).count = 7;
  row(counts, Syscall::read) = {.count = 200, .errors = {{EAGAIN, 100}, {ECONNRESET, 1}}, .total_ns = 9000};
  counts.tracepoints[static_cast<std::size_t>(trace::Tp::park)] = 50;
  return counts;
}

}  // namespace

TEST_CASE("the difference of two readings is what happened between them") {
  Counts later = sample();
  row(later, Syscall::read).count += 5;
  row(later, Syscall::read).errors[EAGAIN] += 3;
  *later.tracepoints[static_cast<std::size_t>(trace::Tp::park)] += 2;
  const Counts between = counts_between(sample(), later);
  CHECK(between.syscalls[static_cast<std::size_t>(Syscall::read)].count == 5);
  CHECK(between.syscalls[static_cast<std::size_t>(Syscall::read)].errors == std::map<int, std::uint64_t>{{EAGAIN, 3}});
  CHECK(between.syscalls[static_cast<std::size_t>(Syscall::epoll_ctl)].count == 0);
  CHECK(between.tracepoints[static_cast<std::size_t>(trace::Tp::park)] == 2);
}

TEST_CASE("two processes are added up") {
  Counts sum = sample();
  add_counts(sum, sample());
  CHECK(row(sum, Syscall::read).count == 400);
  CHECK(row(sum, Syscall::read).errors[EAGAIN] == 200);
  CHECK(row(sum, Syscall::read).total_ns == 18000);
  CHECK(sum.tracepoints[static_cast<std::size_t>(trace::Tp::park)] == 100);
  Counts fresh;
  add_counts(fresh, sample());
  CHECK(row(fresh, Syscall::read).total_ns == 9000);
  CHECK(fresh.tracepoints[static_cast<std::size_t>(trace::Tp::park)] == 50);
}

}  // namespace netpoll::probes
