// Counts added to and taken from each other.
#include "probes/counts.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>

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

TEST_CASE("every time is in the bucket whose bounds enclose it, four to an octave") {
  for (std::size_t i = 0; i + 1 < kHistogramBuckets; ++i) {
    const std::uint64_t least = bucket_floor_ns(i), next = bucket_floor_ns(i + 1);
    CHECK(least < next);
    CHECK(next - least <= std::max<std::uint64_t>(1, least / 4));
    CHECK(latency_bucket(least) == i);
    CHECK(latency_bucket(next - 1) == i);
  }
  CHECK(latency_bucket(UINT64_MAX) == kHistogramBuckets - 1);
}

TEST_CASE("a quantile is at most an eighth off, and unknown of no calls") {
  LatencyHistogram histogram{};
  CHECK_FALSE(quantile_ns(histogram, 0.5));
  for (std::uint64_t ns = 1; ns <= 100'000; ++ns) ++histogram[latency_bucket(ns)];
  for (const double q : {0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = q * 100'000;
    const auto found = static_cast<double>(quantile_ns(histogram, q).value());
    INFO(q);
    CHECK(found >= exact * 7 / 8);
    CHECK(found <= exact * 9 / 8);
  }
}

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
