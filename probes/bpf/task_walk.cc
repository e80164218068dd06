// Runs a task iterator to its end.
#include "probes/bpf/task_walk.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "netpoll/fd.h"
#include "probes/bpf/libbpf_log.h"

namespace netpoll::probes {
namespace {

// union bpf_iter_link_info, member task (Linux 6.1); older headers lack it.
struct TaskFilter {
  std::uint32_t tid;
  std::uint32_t pid;
  std::uint32_t pid_fd;
  std::uint32_t reserved;
};

bpf_link* attach(bpf_program* program, pid_t pid) {
  TaskFilter filter{0, static_cast<std::uint32_t>(pid), 0, 0};
  LIBBPF_OPTS(bpf_iter_attach_opts, options);
  if (pid != 0) {
    options.link_info = reinterpret_cast<bpf_iter_link_info*>(&filter);
    options.link_info_len = sizeof(filter);
  }
  return bpf_program__attach_iter(program, &options);
}

}  // namespace

Result<bool> TaskWalk::run(netpoll_task_job job, pid_t pid, std::vector<std::byte>* written) const {
  *job_ = job;
  LibbpfLog log;
  bool limited = pid != 0;
  bpf_link* link = attach(program_, pid);
  if (link == nullptr && limited) {
    if (errno == ESRCH) return true;
    limited = false;
    link = attach(program_, 0);
  }
  if (link == nullptr) return bpf_error("walk the threads by BPF", -errno, log);
  const Fd walk(bpf_iter_create(bpf_link__fd(link)));
  int result = walk.valid() ? 0 : -errno;
  // Reading to the end is what makes it run.
  std::array<std::byte, 4096> piece;
  while (result == 0) {
    const ssize_t n = ::read(walk.get(), piece.data(), piece.size());
    if (n == 0) break;
    if (n > 0 && written != nullptr) written->insert(written->end(), piece.begin(), piece.begin() + n);
    if (n < 0 && errno != EINTR && errno != EAGAIN) result = -errno;
  }
  bpf_link__destroy(link);
  if (result == -ESRCH && limited) return true;
  if (result != 0) return bpf_error("walk the threads by BPF", result, log);
  return limited;
}

Result<std::uint32_t> TaskWalk::resolve(pid_t pid) const {
  *found_tgid_ = 0;
  auto resolved = run(NETPOLL_TASKS_RESOLVE, pid);
  if (!resolved) return std::move(resolved).error();
  return *resolved && *found_tgid_ != 0 ? *found_tgid_ : static_cast<std::uint32_t>(pid);
}

Result<void> TaskWalk::adopt_children() const {
  do {
    *adopted_ = 0;
    if (auto walked = run(NETPOLL_TASKS_ADOPT, 0); !walked) return std::move(walked).error();
  } while (*adopted_ != 0);
  return {};
}

}  // namespace netpoll::probes
