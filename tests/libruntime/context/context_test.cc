// Context switches with their control words, and stacks with their guards.
#include "libruntime/context/context.h"

#include <cfenv>
#include <cstdint>
#include <vector>

#include "libruntime/context/stack.h"
#include "tests/support/catch.h"

namespace netpoll::context {
namespace {

// Two flows, the test's own and one on a stack of the slab, which hand over to each other.
struct PingPong {
  MachineContext here;
  MachineContext there;
  std::vector<int> trace;
  bool aligned = false;
  std::uint64_t words = kInitialControlWords;
  int rounding_seen = -1;

  void run_there(void (*body)(PingPong&)) {
    body_ = body;
    slab_ = StackSlab::map(1, 64 * 1024);
    REQUIRE(slab_.valid());
    REQUIRE(slab_.protect(0) == StackGuard::kFault);
    stack = slab_.at(0);
    const auto size = static_cast<std::size_t>(static_cast<char*>(stack.hi) - static_cast<char*>(stack.lo));
    fiber_adopt_thread(here.fiber, nullptr, 0);
    fiber_create(there.fiber, stack.lo, size);
    context_init(there, stack.lo, stack.hi, &PingPong::entry, this);
  }
  void resume() { words = context_resume(here, there, words); }
  ~PingPong() {
    fiber_destroy(there.fiber);
    slab_.unmap();
  }

  Stack stack;

 private:
  static void entry(void* arg) {
    fiber_first_entry();
    auto& self = *static_cast<PingPong*>(arg);
    self.body_(self);
    context_leave(self.there, self.here);
  }

  void (*body_)(PingPong&) = nullptr;
  StackSlab slab_;
};

TEST_CASE("a switch continues where the other flow left off") {
  PingPong flows;
  flows.run_there([](PingPong& f) {
    alignas(16) char probe[16];
    f.aligned = reinterpret_cast<std::uintptr_t>(probe) % 16 == 0;
    for (int i = 0; i < 3; ++i) {
      f.trace.push_back(i * 2 + 1);
      context_suspend(f.there, f.here);
    }
  });
  for (int i = 0; i < 3; ++i) {
    flows.trace.push_back(i * 2);
    flows.resume();
  }
  flows.resume();
  CHECK(flows.trace == std::vector<int>{0, 1, 2, 3, 4, 5});
  CHECK(flows.aligned);
}

TEST_CASE("the floating-point rounding mode belongs to the flow, not to the thread") {
  PingPong flows;
  flows.run_there([](PingPong& f) {
    std::fesetround(FE_UPWARD);
    context_suspend(f.there, f.here);
    f.rounding_seen = std::fegetround();
  });
  flows.resume();
  CHECK(std::fegetround() == FE_UPWARD);  // an owner has no mode of its own
  // Another flow runs in between, on what it expects.
  PingPong other;
  other.run_there([](PingPong& f) { f.rounding_seen = std::fegetround(); });
  other.words = flows.words;
  other.resume();
  CHECK(other.rounding_seen == FE_TONEAREST);
  flows.words = other.words;
  flows.resume();
  CHECK(flows.rounding_seen == FE_UPWARD);
  std::fesetround(FE_TONEAREST);
}

// Loading a control word costs as much as ten switches. What is loaded has no exception flags, so a flag that is still
// there after a switch shows that nothing was.
TEST_CASE("control words are loaded when they differ, not because of a flag that a computation left") {
  PingPong inexact;
  inexact.run_there([](PingPong& f) {
    volatile double three = 3;
    for (;;) {
      three = 1 / three;
      context_suspend(f.there, f.here);
    }
  });
  PingPong other;
  other.run_there([](PingPong& f) {
    for (;;) {
      f.trace.push_back(std::fetestexcept(FE_INEXACT));
      context_suspend(f.there, f.here);
    }
  });
  int kept = 0;
  constexpr int kRounds = 100;
  for (int i = 0; i < kRounds; ++i) {
    inexact.words = other.words;
    inexact.resume();
    other.words = inexact.words;
    other.resume();
    if (std::fetestexcept(FE_INEXACT) != 0) ++kept;
  }
  CHECK(kept == kRounds);
  CHECK(other.trace == std::vector<int>(kRounds, FE_INEXACT));
  CHECK(other.words == kInitialControlWords);
}

TEST_CASE("a thread of which nothing is known yet gets the control words of its first flow") {
  std::fesetround(FE_DOWNWARD);
  PingPong flows;
  flows.words = kUnknownControlWords;
  flows.run_there([](PingPong& f) { f.rounding_seen = std::fegetround(); });
  flows.resume();
  CHECK(flows.rounding_seen == FE_TONEAREST);
  CHECK(flows.words == kInitialControlWords);
  std::fesetround(FE_TONEAREST);
}

TEST_CASE("stacks of a slab lie apart by their guards and keep their size") {
  StackSlab slab = StackSlab::map(4, 10'000);
  REQUIRE(slab.valid());
  for (std::size_t i = 0; i < 4; ++i) {
    const Stack stack = slab.at(i);
    const auto size = static_cast<std::size_t>(static_cast<char*>(stack.hi) - static_cast<char*>(stack.lo));
    CHECK(size >= 10'000);
    CHECK(size % page_size() == 0);
    CHECK(slab.protect(i) == StackGuard::kFault);
    if (i > 0) {
      CHECK(static_cast<char*>(stack.lo) - static_cast<char*>(slab.at(i - 1).hi) ==
            static_cast<std::ptrdiff_t>(kGuardSize));
    }
    static_cast<char*>(stack.lo)[0] = 1;
    static_cast<char*>(stack.hi)[-1] = 1;
    stack_trim(stack);
    CHECK(static_cast<char*>(stack.hi)[-1] == 0);  // its pages went back to the kernel
    CHECK(static_cast<char*>(stack.lo)[0] == 0);
  }
  slab.unmap();
}

// Last in the file: the process keeps pretending.

}  // namespace
}  // namespace netpoll::context
