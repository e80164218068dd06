// Runs a body in each setup of the runtime, and sees that nothing is left behind.
#include "tests/libruntime/net/support.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>

#include "libruntime/poll/netpoll.h"
#include "libruntime/runtime_access.h"
#include "netpoll/go.h"
#include "netpoll/net/dial.h"

namespace netpoll::test {
namespace {

using namespace std::chrono_literals;

void run_setup(const Config& config, const std::function<void(Checks&)>& body) {
  INFO(setup_name(config));
  const std::size_t before = open_descriptors();
  std::vector<std::string> failures;
  std::uint64_t left_goroutines = 0;
  std::uint32_t left_descs = 0;
  {
    Runtime runtime(config);
    Checks checks(runtime, config);
    runtime.run(
        [&] {
          body(checks);
          // Whoever body started must end by itself; the main goroutine is the one that remains.
          if (!soon([&] { return runtime.snapshot().goroutines.size() <= 1; })) {
            left_goroutines = runtime.snapshot().goroutines.size() - 1;
          }
        },
        Runtime::Shutdown::kCancel);
    failures = checks.failures();
    left_descs = static_cast<poll::Netpoll&>(detail::RuntimeAccess::scheduler(runtime).poll_source()).cache().in_use();
  }
  for (const std::string& failure : failures) FAIL_CHECK(failure);
  CHECK(left_goroutines == 0);
  CHECK(left_descs == 0);
  CHECK(open_descriptors() == before);
}

}  // namespace

std::string setup_name(const Config& config) {
  return std::string(poll_mode_name(config.poll_mode)) + "/" + std::string(trigger_name(config.trigger)) + "/" +
         std::to_string(config.procs) + " procs";
}

void in_every_setup(const std::function<void(Checks&)>& body) {
  // Who completes operations arms nothing: triggers make no difference.
  const bool arms = !completes_operations();
  for (PollMode mode : {PollMode::kThread, PollMode::kInline, PollMode::kHybrid}) {
    for (Trigger trigger : {Trigger::kOneshot, Trigger::kEdge, Trigger::kLevel}) {
      if (!arms && trigger != Trigger::kEdge) continue;
      run_setup({.procs = procs(), .poll_mode = mode, .trigger = trigger}, body);
    }
  }
}

void in_setup(const Config& config, const std::function<void(Checks&)>& body) { run_setup(config, body); }

void in_default_setup(const std::function<void(Checks&)>& body) { run_setup({.procs = procs()}, body); }

bool completes_operations() { return poll::make_poller(PollerKind::kDefault, Trigger::kEdge)->completion() != nullptr; }

bool parked_on(Checks& checks, int fd, int mode) {
  return soon([&] {
    for (const trace::Goroutine& g : checks.runtime().snapshot().goroutines) {
      if (g.io_wait && g.fd == fd && g.mode == (mode == 0 ? trace::IoMode::kRead : trace::IoMode::kWrite)) {
        return true;
      }
    }
    return false;
  });
}

bool parked_for(Checks& checks, WaitReason reason, std::size_t count) {
  return soon([&] {
    std::size_t found = 0;
    for (const trace::Goroutine& g : checks.runtime().snapshot().goroutines) {
      if (g.wait_reason == wait_reason_name(reason)) ++found;
    }
    return found >= count;
  });
}

std::uint64_t tracepoints(Checks& checks, trace::Tp tp) {
  return checks.runtime().tracepoint_counts()[static_cast<std::size_t>(tp)];
}

std::string fresh_path(std::string_view name) {
  static std::atomic<int> serial{0};
  const char* directory = std::getenv("TMPDIR");
  return std::string(directory != nullptr ? directory : "/tmp") + "/netpoll-test-" + std::to_string(getpid()) + "-" +
         std::to_string(serial.fetch_add(1)) + "-" + std::string(name);
}

std::pair<Conn, Conn> tcp_pair(Checks& checks) {
  auto listener = Listener::listen("127.0.0.1:0");
  if (!listener) {
    checks.fail(listener.error().message());
    return {};
  }
  auto dialled = dial(listener->local());
  if (!dialled) {
    checks.fail(dialled.error().message());
    return {};
  }
  auto accepted = listener->accept();
  if (!accepted) {
    checks.fail(accepted.error().message());
    return {};
  }
  return {std::move(*dialled), std::move(*accepted)};
}

std::string read_all(Conn& conn) {
  std::string all;
  std::array<std::byte, 4096> buffer;
  for (;;) {
    auto n = conn.read(buffer);
    if (!n) return all + "<" + n.error().message() + ">";
    if (*n == 0) return all;
    all.append(reinterpret_cast<const char*>(buffer.data()), *n);
  }
}

std::string read_some(Conn& conn, std::size_t size) {
  std::vector<std::byte> buffer(size);
  auto n = conn.read(buffer);
  if (!n) return "<" + n.error().message() + ">";
  return std::string(reinterpret_cast<const char*>(buffer.data()), *n);
}

}  // namespace netpoll::test
