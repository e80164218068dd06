// Contexts: cancellation, deadlines and callbacks through the tree.
#include "netpoll/sync/context.h"

#include <optional>
#include <thread>
#include <vector>

#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/sync/in_runtime.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;
using test::soon;
using test::until_parked;

namespace {

bool ended_with(const Context& context, ErrorKind kind) {
  const auto status = context.status();
  return context.done() && !status && status.error().is(kind);
}

}  // namespace

TEST_CASE("cancelling a context ends its descendants and not its parent") {
  Context root;
  const Context child = root.with_cancel();
  const Context grandchild = child.with_cancel();
  const Context sibling = root.with_cancel();
  CHECK(grandchild.status().has_value());
  child.cancel();
  CHECK(ended_with(child, ErrorKind::kCanceled));
  CHECK(ended_with(grandchild, ErrorKind::kCanceled));
  CHECK_FALSE(root.done());
  CHECK_FALSE(sibling.done());
  root.cancel();
  CHECK(sibling.done());
  // Born ended.
  CHECK(ended_with(root.with_cancel(), ErrorKind::kCanceled));
}

TEST_CASE("a context ends at its deadline and hands the reason down") {
  bool timed_out = false;
  bool child_timed_out = false;
  bool earlier_kept = false;
  bool past = false;
  bool no_deadline = false;
  bool reason_stays = false;
  in_runtime([&](Runtime&) {
    const Context root;
    no_deadline = !root.deadline();
    const Context timed = root.with_timeout(5ms);
    const Context child = timed.with_timeout(1h);
    earlier_kept = child.deadline() == timed.deadline();
    (void)child.wait();
    timed_out = soon([&] { return ended_with(timed, ErrorKind::kTimeout); });
    child_timed_out = ended_with(child, ErrorKind::kTimeout);
    child.cancel();
    reason_stays = ended_with(child, ErrorKind::kTimeout);
    past = ended_with(root.with_timeout(-1s), ErrorKind::kTimeout);
  });
  CHECK(timed_out);
  CHECK(child_timed_out);
  CHECK(earlier_kept);
  CHECK(past);
  CHECK(no_deadline);
  CHECK(reason_stays);
}

TEST_CASE("wait returns when the context ends, for every waiter") {
  int woken = 0;
  bool at_once = false;
  in_runtime([&](Runtime& runtime) {
    Context context;
    std::atomic<int> count{0};
    WaitGroup group;
    for (int i = 0; i < 5; ++i) {
      group.go([&, child = context.with_cancel()] { count += child.wait().has_value(); });
    }
    (void)until_parked(runtime, WaitReason::kContext, 5);
    context.cancel();
    group.wait();
    woken = count;
    at_once = context.wait().has_value();
  });
  CHECK(woken == 5);
  CHECK(at_once);
}

TEST_CASE("a thread outside of the runtime may cancel") {
  bool ended = false;
  Runtime runtime({.procs = test::procs()});
  const Context context;
  std::thread outside([context] { context.cancel(); });
  runtime.run([&] { ended = context.wait().has_value(); });
  outside.join();
  CHECK(ended);
}

TEST_CASE("on-cancel callbacks run once, or never after they were removed") {
  int calls = 0;
  int removed_calls = 0;
  int late_calls = 0;
  const auto count = [](void* counter) { ++*static_cast<int*>(counter); };
  const Context context;
  const OnCancel first(context, count, &calls);
  {
    const OnCancel second(context, count, &removed_calls);
    const OnCancel third(context, count, &removed_calls);
  }
  CHECK(calls == 0);
  context.cancel();
  context.cancel();
  const OnCancel late(context, count, &late_calls);
  CHECK(calls == 1);
  CHECK(removed_calls == 0);
  CHECK(late_calls == 1);
}

TEST_CASE("a removed on-cancel callback is not running any more, whoever cancels") {
  int late = 0;
  in_runtime([&](Runtime&) {
    std::atomic<int> after_removal{0};
    for (int round = 0; round < 2000; ++round) {
      const Context context;
      WaitGroup group;
      group.go([context] { context.cancel(); });
      {
        std::pair<std::atomic<bool>, std::atomic<int>*> state{false, &after_removal};
        const OnCancel callback(
            context,
            [](void* argument) {
              auto& [gone, counter] = *static_cast<decltype(state)*>(argument);
              *counter += gone;
            },
            &state);
        if (round % 2 == 0) yield();
      }
      group.wait();
    }
    late = after_removal;
  });
  CHECK(late == 0);
}

TEST_CASE("children that are dropped leave the tree, with their timers") {
  bool alive = false;
  in_runtime([&](Runtime&) {
    const Context root;
    for (int i = 0; i < 1000; ++i) {
      const Context child = root.with_timeout(1h).with_cancel();
      Context moved = child;
      Context target = root.with_timeout(1h);
      target = std::move(moved);
      target = target.with_timeout(2h);
    }
    alive = !root.done();
  });
  CHECK(alive);
}

TEST_CASE("a child keeps working when all handles of its parents are gone") {
  bool ended = false;
  in_runtime([&](Runtime&) {
    std::optional<Context> child;
    {
      const Context root;
      const Context middle = root.with_timeout(5ms);
      child = middle.with_cancel();
    }
    ended = child->wait().has_value();
  });
  CHECK(ended);
}

TEST_CASE("a tree deeper than any stack ends and is dropped") {
  bool ended = false;
  bool middle_alive = true;
  in_runtime([&](Runtime&) {
    const Context root;
    Context leaf = root;
    for (int depth = 0; depth < 50'000; ++depth) leaf = leaf.with_cancel();
    root.cancel();
    ended = leaf.done();
    Context dropped = Context();
    for (int depth = 0; depth < 50'000; ++depth) dropped = dropped.with_cancel();
    middle_alive = !dropped.done();
  });
  CHECK(ended);
  CHECK(middle_alive);
}

TEST_CASE("cancel, deadline, new children and dropped handles may race") {
  int ended = 0;
  constexpr int kRounds = 300;
  in_runtime([&](Runtime&) {
    std::atomic<int> count{0};
    for (int round = 0; round < kRounds; ++round) {
      const Context root;
      WaitGroup group;
      for (int i = 0; i < 3; ++i) {
        group.go([&, root, i] {
          for (int n = 0; n < 5; ++n) {
            const Context child = root.with_timeout(std::chrono::microseconds(20 * (n + i)));
            const Context grandchild = child.with_timeout(std::chrono::microseconds(30 * n));
            if (n % 2 == 0) (void)grandchild.wait();
          }
          const Context last = root.with_timeout(50us);
          count += last.wait().has_value();
        });
      }
      group.go([root, round] {
        if (round % 3 != 0) (void)sleep(std::chrono::microseconds(10 * (round % 8)));
        root.cancel();
      });
      group.wait();
    }
    ended = count;
  });
  CHECK(ended == 3 * kRounds);
}

TEST_CASE("shutdown with kCancel ends the wait for a context, not the context") {
  bool canceled_wait = false;
  const Context context;
  in_runtime(
      [&](Runtime& runtime) {
        go([&] {
          const auto waited = context.wait();
          canceled_wait = !waited && waited.error().is(ErrorKind::kCanceled);
        });
        (void)until_parked(runtime, WaitReason::kContext);
      },
      Runtime::Shutdown::kCancel);
  CHECK(canceled_wait);
  CHECK_FALSE(context.done());
}
