// Counts as members of documents: the names that scripts rely on, and null for what nobody saw.
#include "cli/documents/counts_json.h"

#include <cerrno>

#include "exporters/json.h"
#include "exporters/text.h"
#include "tests/support/catch.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using probes::Backend;
using probes::Counts;
using probes::Syscall;

probes::SyscallCounts& row(Counts& counts, Syscall syscall) {
  return counts.syscalls[static_cast<std::size_t>(syscall)];
}

Counts sample() {
  Counts counts;
  row(counts, Syscall::epoll_pwait) = {
      .count = 10, .returned = 8, .total_ns = 500, .window_ns = 2500, .in_flight = {3, 1, 900}};
  row(counts, Syscall::epoll_pwait2) = {.count = 4, .returned = 4, .total_ns = 100, .window_ns = 100};
  counts.waits[1] = {.events = 20, .empty = 2, .timeouts = 1};
  counts.waits[2] = {.events = 1, .empty = 3, .timeouts = 0};
  row(counts, Syscall::epoll_ctl).count = 7;
  counts.ctl_add = 4;
  counts.ctl_mod = 2;
  counts.ctl_del = 1;
  row(counts, Syscall::read) = {.count = 200, .errors = {{EAGAIN, 100}, {ECONNRESET, 1}}, .total_ns = 9000};
  counts.tracepoints[static_cast<std::size_t>(trace::Tp::park)] = 50;
  return counts;
}

}  // namespace

TEST_CASE("counts have the spelling that scripts rely on") {
  Json doc;
  put_counts(doc, sample(), Backend::kEbpf, 100, std::nullopt, {});
  CHECK(doc["syscalls"]["read"]["count"] == 200);
  CHECK(doc["syscalls"]["read"]["per_op"] == 2.0);
  CHECK(doc["syscalls"]["read"]["errors"] == Json({{"EAGAIN", 100}, {"ECONNRESET", 1}}));
  CHECK(doc["syscalls"]["read"]["total_ns"] == 9000);
  CHECK(doc["syscalls"]["epoll_ctl"]["ops"] == Json({{"add", 4}, {"mod", 2}, {"del", 1}}));
  CHECK(doc["syscalls"]["epoll_pwait"]["events"] == 20);
  CHECK(doc["syscalls"]["epoll_pwait"]["empty"] == 2);
  CHECK(doc["syscalls"]["epoll_pwait"]["timeouts"] == 1);
  CHECK(doc["tracepoints"]["park"] == Json({{"count", 50}, {"per_op", 0.5}}));
}

TEST_CASE("the wait calls are apart under syscalls and summed under poll") {
  Json doc;
  put_counts(doc, sample(), Backend::kEbpf, 100, std::nullopt, {});
  CHECK(doc["poll"]["count"] == 14);
  CHECK(doc["poll"]["events"] == 21);
  CHECK(doc["poll"]["empty"] == 5);
  CHECK(doc["poll"]["timeouts"] == 1);
  CHECK(doc["poll"]["total_ns"] == 600);
  CHECK(doc["poll"]["events_per_call"] == 1.5);
  CHECK(doc["poll"]["returned"] == 12);
  CHECK(doc["poll"]["window_ns"] == 2600);
  CHECK(doc["poll"]["in_flight"] == Json({{"count", 3}, {"before", 1}, {"longest_ns", 900}}));
  CHECK(doc["syscalls"]["epoll_pwait"]["in_flight"] == doc["poll"]["in_flight"]);
}

TEST_CASE("a call that did not happen is a known zero, an unseen one is null") {
  Json doc;
  put_counts(doc, sample(), Backend::kPtrace, std::nullopt, std::nullopt, {});
  CHECK(doc["syscalls"]["accept4"]["count"] == 0);
  CHECK(doc["syscalls"]["accept4"]["per_op"].is_null());
  CHECK(doc["tracepoints"]["ready"].is_null());
  put_counts(doc, sample(), Backend::kSelf, 100, std::nullopt, {});
  CHECK(doc["syscalls"].is_null());
  CHECK(doc["poll"].is_null());
}

TEST_CASE("-e leaves only what was asked for") {
  const auto filter = parse_events({"epoll", "park"});
  REQUIRE(filter);
  Json doc;
  put_counts(doc, sample(), Backend::kEbpf, 100, std::nullopt, *filter);
  CHECK(doc["syscalls"].contains("epoll_ctl"));
  CHECK_FALSE(doc["syscalls"].contains("read"));
  CHECK(doc["tracepoints"].size() == 1);
  const auto unknown = parse_events({"epol_ctl"});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().hint() == "did you mean \"epoll_ctl\"?");
}

TEST_CASE("error numbers have their names, also the kernel's own") {
  CHECK(exporters::errno_name(EAGAIN) == "EAGAIN");
  CHECK(exporters::errno_name(512) == "ERESTARTSYS");
  CHECK(exporters::errno_name(4000) == "errno4000");
}

}  // namespace netpoll::cli
