// Reads stat, syscall and schedstat of each thread.
#include "probes/process/threads.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "netpoll/fd.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

// The beginning of a small file; empty where it cannot be read. A process may have thousands of threads, and a stream
// costs several times as much.
std::string read_text(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return {};
  std::array<char, 1024> bytes{};
  ssize_t n = 0;
  do {
    n = ::read(file.get(), bytes.data(), bytes.size());
  } while (n < 0 && errno == EINTR);
  return n > 0 ? std::string(bytes.data(), static_cast<std::size_t>(n)) : std::string();
}

// "7 0x3 0x55...": the number and six arguments; "running" has neither.
std::optional<ThreadCall> parse_call(const std::string& text) {
  ThreadCall call;
  char* end = nullptr;
  call.number = std::strtol(text.c_str(), &end, 10);
  if (end == text.c_str() || call.number < 0) return std::nullopt;
  for (std::uint64_t& arg : call.args) {
    const char* begin = end;
    arg = std::strtoull(begin, &end, 16);
    if (end == begin) return std::nullopt;
  }
  return call;
}

}  // namespace

std::vector<ThreadStatus> read_threads(pid_t pid) {
  std::vector<pid_t> ids = thread_ids(pid);
  std::sort(ids.begin(), ids.end());
  std::vector<ThreadStatus> threads;
  threads.reserve(ids.size());
  for (const pid_t tid : ids) {
    const std::string folder = "/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid);
    auto stat = parse_stat(read_text(folder + "/stat"));
    if (!stat) continue;  // it ended
    ThreadStatus thread;
    thread.tid = tid;
    thread.comm = std::move(stat->comm);
    thread.state = stat->state;
    thread.call = parse_call(read_text(folder + "/syscall"));
    const std::string times = read_text(folder + "/schedstat");
    char* end = nullptr;
    const std::int64_t ran = std::strtoll(times.c_str(), &end, 10);
    if (end != times.c_str()) {
      thread.cpu_ns = ran;
      thread.cpu_delay_ns = std::strtoll(end, nullptr, 10);
    }
    threads.push_back(std::move(thread));
  }
  return threads;
}

}  // namespace netpoll::probes
