// How often sysmon may audit.
#include "libruntime/sched/scheduler.h"
#include "tests/support/catch.h"

namespace netpoll::sched {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

TEST_CASE("audits follow each other after a second while they are cheap") {
  CHECK(next_audit_after(50, 50) == 50 + 1000 * kMillisecond);
  CHECK(next_audit_after(0, 10 * kMillisecond) == 1010 * kMillisecond);
}

TEST_CASE("audits of many registrations take a hundredth of the time and no more") {
  CHECK(next_audit_after(0, 600 * kMillisecond) == 60'600 * kMillisecond);
}

}  // namespace
}  // namespace netpoll::sched
