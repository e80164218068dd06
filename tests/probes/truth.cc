// Parses what known_calls says that it did, and lists how counts differ from it.
#include "tests/probes/truth.h"

#include <set>
#include <sstream>

namespace netpoll::test {

using probes::Counts;
using probes::kSyscallCount;
using probes::Syscall;

Truth parse_truth(const std::string& output) {
  Truth truth;
  truth.counts.socket_calls.emplace();
  truth.counts.uring_ops.emplace();
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
      std::uint64_t a = 0, b = 0, c = 0, zero = 0, timed = 0, forever = 0;
      words >> a >> b >> c >> zero >> timed >> forever;
      if (kind == "call") row.count += a;
      if (kind == "error") row.errors[static_cast<int>(a)] += b;
      if (kind == "wait") {
        auto& wait = truth.counts.waits[static_cast<std::size_t>(*syscall)];
        wait.events += a;
        wait.empty += b;
        wait.timeouts += c;
        wait.asked_zero += zero;
        wait.asked_timed += timed;
        wait.asked_forever += forever;
      }
    } else if (kind == "bytes") {
      std::uint64_t bytes = 0;
      words >> name >> bytes;
      const auto syscall = probes::parse_syscall(name);
      if (syscall && probes::moves_bytes(*syscall)) {
        truth.counts.syscalls[static_cast<std::size_t>(*syscall)].bytes += bytes;
      }
    } else if (kind == "uring") {
      std::uint64_t operations = 0;
      words >> name >> operations;
      for (std::size_t i = 0; i < probes::kUringOps; ++i) {
        if (name == probes::uring_op_name(i)) (*truth.counts.uring_ops)[i] += operations;
      }
    } else if (kind == "socket") {
      std::uint64_t calls = 0;
      words >> name >> calls;
      for (std::size_t i = 0; i < probes::kSocketCallCount; ++i) {
        if (name == probes::syscall_name(static_cast<probes::SocketCall>(i))) (*truth.counts.socket_calls)[i] += calls;
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
    if (static_cast<Syscall>(i) != Syscall::write) compare(name + " bytes", is.bytes, should.bytes);
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
    compare(name + " asked for 0", measured.waits[i].asked_zero, expected.waits[i].asked_zero);
    compare(name + " asked for a time", measured.waits[i].asked_timed, expected.waits[i].asked_timed);
    compare(name + " asked for ever", measured.waits[i].asked_forever, expected.waits[i].asked_forever);
    if (!measured.returns_known) continue;
    std::uint64_t returned = 0;
    for (const std::uint64_t calls : measured.waits[i].per_return) returned += calls;
    const auto& row = measured.syscalls[i];
    for (const auto& [error, count] : row.errors) returned += count;
    compare(name + " returns", returned, row.returned);
    compare(name + " returns of nothing", measured.waits[i].per_return[0], expected.waits[i].empty);
  }
  for (std::size_t i = 0; i < probes::kSocketCallCount; ++i) {
    if (!measured.socket_calls || !expected.socket_calls) break;
    compare("socket call " + std::string(probes::syscall_name(static_cast<probes::SocketCall>(i))),
            (*measured.socket_calls)[i], (*expected.socket_calls)[i]);
  }
  for (std::size_t i = 0; i < probes::kUringOps; ++i) {
    if (!measured.uring_ops || !expected.uring_ops) break;
    compare("io_uring " + probes::uring_op_name(i), (*measured.uring_ops)[i], (*expected.uring_ops)[i]);
  }
  return found;
}

std::vector<std::string> faults_of_times(const Counts& measured) {
  std::vector<std::string> faults;
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    const auto& row = measured.syscalls[i];
    const std::string name(probes::syscall_name(static_cast<Syscall>(i)));
    if (!row.latency || !row.total_ns) {
      faults.push_back(name + ": no times");
      continue;
    }
    std::uint64_t calls = 0, least = 0;
    for (std::size_t bucket = 0; bucket < row.latency->size(); ++bucket) {
      calls += (*row.latency)[bucket];
      least += (*row.latency)[bucket] * probes::bucket_floor_ns(bucket);
    }
    if (calls != row.count) {
      faults.push_back(name + ": " + std::to_string(calls) + " in buckets, of " + std::to_string(row.count) + " calls");
    }
    if (*row.total_ns < least || *row.total_ns > least + least / 4 + calls) {
      faults.push_back(name + ": " + std::to_string(*row.total_ns) + " ns, but buckets from " + std::to_string(least));
    }
  }
  return faults;
}

}  // namespace netpoll::test
