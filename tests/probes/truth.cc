#include "tests/probes/truth.h"

#include <set>
#include <sstream>

namespace netpoll::test {

using probes::Counts;
using probes::kSyscallCount;
using probes::Syscall;

Truth parse_truth(const std::string& output) {
  Truth truth;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind, name;
    words >> kind;
    if (kind == "call" || kind == "error" || kind == "wait") {
      words >> name;
      const auto syscall = probes::parse_syscall(name);
      if (!syscall) continue;
      auto& row = truth.counts.syscalls[static_cast<std::size_t>(*syscall)];
      std::uint64_t a = 0, b = 0, c = 0;
      words >> a >> b >> c;
      if (kind == "call") row.count += a;
      if (kind == "error") row.errors[static_cast<int>(a)] += b;
      if (kind == "wait") {
        auto& wait = truth.counts.waits[static_cast<std::size_t>(*syscall)];
        wait.events += a;
        wait.empty += b;
        wait.timeouts += c;
      }
    } else if (kind == "ctl") {
      std::uint64_t add = 0, mod = 0, del = 0;
      words >> add >> mod >> del;
      truth.counts.ctl_add += add;
      truth.counts.ctl_mod += mod;
      truth.counts.ctl_del += del;
    } else if (kind == "uncounted") {
      std::uint64_t calls = 0;
      words >> calls;
      truth.uncounted += calls;
    }
  }
  return truth;
}

std::vector<std::string> differences(const Counts& measured, const Counts& expected) {
  std::vector<std::string> found;
  const auto compare = [&](const std::string& what, std::uint64_t is, std::uint64_t should) {
    if (is != should) found.push_back(what + ": " + std::to_string(is) + ", not " + std::to_string(should));
  };
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    const auto& is = measured.syscalls[i];
    const auto& should = expected.syscalls[i];
    const std::string name(probes::syscall_name(static_cast<Syscall>(i)));
    compare(name, is.count, should.count);
    std::set<int> errors;
    for (const auto& [error, count] : is.errors) errors.insert(error);
    for (const auto& [error, count] : should.errors) errors.insert(error);
    for (const int error : errors) {
      compare(name + " errno " + std::to_string(error), is.errors.count(error) ? is.errors.at(error) : 0,
              should.errors.count(error) ? should.errors.at(error) : 0);
    }
  }
  compare("epoll_ctl ADD", measured.ctl_add, expected.ctl_add);
  compare("epoll_ctl MOD", measured.ctl_mod, expected.ctl_mod);
  compare("epoll_ctl DEL", measured.ctl_del, expected.ctl_del);
  for (std::size_t i = 0; i < expected.waits.size(); ++i) {
    const std::string name(probes::syscall_name(static_cast<Syscall>(i)));
    compare(name + " events", measured.waits[i].events, expected.waits[i].events);
    compare(name + " empty", measured.waits[i].empty, expected.waits[i].empty);
    compare(name + " timeouts", measured.waits[i].timeouts, expected.waits[i].timeouts);
  }
  return found;
}

}  // namespace netpoll::test
