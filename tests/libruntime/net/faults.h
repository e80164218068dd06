// faults.h: what stands between net/ and the kernel in the fault tests: it counts calls, refuses some, shortens others.
//
// The sources of net/ are compiled a second time for this program, with NETPOLL_NET_FAULTS (libruntime/net/sys.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace netpoll::test {

// One rule: of the calls of `number`, the ones numbered skip+1 .. skip+times (from the rule on) are tampered with.
struct Fault {
  long number;
  int times = 1;
  int skip = 0;
  int error = 0;            // > 0: fail with this errno, without asking the kernel
  bool late = false;        // with error: ask the kernel first, and hide its answer
  std::size_t shorten = 0;  // > 0: move at most that many bytes
  int every = 0;            // > 0: not once, but every n-th call, `times` is ignored
};

// The one instance that fault_sys() consults. Thread-safe.
class Faults {
 public:
  static Faults& instance();

  // Forgets all rules and counts.
  void clear();
  void add(const Fault& fault);
  // How often the rules struck.
  std::uint64_t injected() const { return injected_.load(); }

  // Calls of net/ since clear(), and those among them that the kernel answered with EAGAIN.
  std::uint64_t calls(long number) const { return number < kNumbers ? calls_[number].load() : 0; }
  std::uint64_t eagain(long number) const { return number < kNumbers ? eagain_[number].load() : 0; }

  long call(long number, const long (&args)[6]);

 private:
  static constexpr long kNumbers = 512;
  struct Rule {
    Fault fault;
    int seen = 0;
  };
  const Fault* match(long number);

  std::mutex mutex_;
  std::vector<Rule> rules_;  // guarded by mutex_
  std::atomic<bool> active_{false};
  std::atomic<std::uint64_t> injected_{0};
  std::atomic<std::uint64_t> calls_[kNumbers] = {};
  std::atomic<std::uint64_t> eagain_[kNumbers] = {};
};

}  // namespace netpoll::test
