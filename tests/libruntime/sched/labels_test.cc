// Labels of goroutines: how long they last, who inherits them, and reading them meanwhile.
#include "netpoll/labels.h"

#include <atomic>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/goroutines.h"
#include "tests/support/catch.h"
#include "tests/support/procs.h"

using namespace netpoll;
using namespace std::chrono_literals;

namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

// The labels of the calling goroutine as a snapshot shows them.
Labels shown(const Runtime& runtime) {
  const std::uint64_t own = goid();
  for (const trace::Goroutine& g : runtime.snapshot().goroutines) {
    if (g.goid == own) return g.labels;
  }
  return {{"missing", ""}};
}

}  // namespace

TEST_CASE("labels last as long as their function, and inner ones lie on top") {
  Labels before, outer, inner, after, end;
  std::optional<std::string> user, none;
  int result = 0;
  Runtime runtime({.procs = test::procs()});
  runtime.run([&] {
    before = shown(runtime);
    result = with_labels({{"user", "ann"}, {"conn", "c1"}}, [&] {
      outer = shown(runtime);
      with_labels({{"user", "bob"}, {"a", ""}}, [&] {
        inner = shown(runtime);
        user = label("user");
        none = label("nobody");
      });
      after = shown(runtime);
      return 7;
    });
    end = shown(runtime);
  });
  CHECK(before.empty());
  CHECK(outer == Labels{{"conn", "c1"}, {"user", "ann"}});
  CHECK(inner == Labels{{"a", ""}, {"conn", "c1"}, {"user", "bob"}});
  CHECK(after == outer);
  CHECK(end.empty());
  CHECK(result == 7);
  CHECK(user == "bob");
  CHECK_FALSE(none);
  CHECK_FALSE(label("user"));
}

TEST_CASE("an exception takes the labels away as a return does") {
  Labels end;
  bool caught = false;
  Runtime runtime({.procs = test::procs()});
  runtime.run([&] {
    try {
      with_labels({{"k", "v"}}, [] { throw std::runtime_error("on its way"); });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    end = shown(runtime);
  });
  CHECK(caught);
  CHECK(end.empty());
}

TEST_CASE("goroutines inherit labels for their whole life, and what they do to theirs is theirs") {
  Labels child, grandchild, sibling;
  Runtime runtime({.procs = test::procs()});
  runtime.run([&] {
    WaitGroup done;
    with_labels({{"request", "1"}}, [&] {
      done.go([&] {
        (void)sleep(1ms);  // the parent's scope has ended by now, or not: it does not matter
        child = shown(runtime);
        with_labels({{"step", "2"}}, [&] {
          WaitGroup inner;
          inner.go([&] { grandchild = shown(runtime); });
          inner.wait();
        });
      });
    });
    done.go([&] { sibling = shown(runtime); });
    done.wait();
  });
  CHECK(child == Labels{{"request", "1"}});
  CHECK(grandchild == Labels{{"request", "1"}, {"step", "2"}});
  CHECK(sibling.empty());
}

TEST_CASE("a recycled goroutine has no labels of the one before") {
  std::size_t labelled = 0;
  Runtime runtime({.procs = test::procs()});
  runtime.run([&] {
    for (int round = 0; round < 300; ++round) {
      WaitGroup done;
      with_labels({{"round", std::to_string(round)}}, [&] { done.go([] {}); });
      done.wait();
      done.go([&] { labelled += label("round").has_value() ? 1 : 0; });
      done.wait();
    }
  });
  CHECK(labelled == 0);
}

TEST_CASE("labels may be read while goroutines change, inherit and drop them") {
  std::atomic<bool> stop{false};
  std::atomic<bool> wrong{false};
  std::size_t seen = 0;
  Runtime runtime({.procs = test::procs()});
  std::thread reader([&] {
    while (!stop) {
      for (const trace::Goroutine& g : runtime.snapshot().goroutines) {
        for (const auto& [key, value] : g.labels) {
          ++seen;
          if (value != "value of " + key) wrong = true;
        }
      }
    }
  });
  runtime.run([&] {
    WaitGroup done;
    for (int i = 0; i < 16; ++i) {
      done.go([&, i] {
        for (int round = 0; round < 200; ++round) {
          const std::string key = "key " + std::to_string(i) + "/" + std::to_string(round % 7);
          with_labels({{key, "value of " + key}}, [&] {
            WaitGroup children;
            children.go([] { yield(); });
            yield();
            children.wait();
          });
        }
      });
    }
    done.wait();
  });
  stop = true;
  reader.join();
  CHECK_FALSE(wrong);
}

TEST_CASE("texts of any bytes, and none at all") {
  const std::string bytes("\0\x1b[31m\xff\n", 8);
  Labels odd, empty;
  Runtime runtime({.procs = test::procs()});
  runtime.run([&] {
    with_labels({{bytes, bytes}, {"", ""}}, [&] { odd = shown(runtime); });
    with_labels(std::span<const Label>(), [&] { empty = shown(runtime); });
  });
  CHECK(odd == Labels{{"", ""}, {bytes, bytes}});
  CHECK(empty.empty());
}
