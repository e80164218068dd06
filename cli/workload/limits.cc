// Descriptors: how many a plan needs, and getting them.
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "cli/workload/workload.h"

namespace netpoll::workload {
namespace {
// Standard streams, pipes, epoll, eventfd, perf events, and room for what a sanitizer or a debugger opens.
constexpr std::uint64_t kSpare = 64;
}  // namespace

std::uint64_t descriptors_needed(const Plan& plan) {
  return plan.conns * plan.workload->descriptors + plan.listeners + kSpare;
}

Result<void> raise_descriptor_limit(std::uint64_t needed) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return posix_error("getrlimit(RLIMIT_NOFILE)", errno);
  const auto least = static_cast<rlim_t>(needed);  // signed on some systems
  if (limit.rlim_cur >= least) return {};
  rlimit wanted{least, std::max(limit.rlim_max, least)};
  if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) return {};
  return Error(
             ErrorKind::kPermission,
             "this run needs " + std::to_string(needed) + " open files, the limit is " + std::to_string(limit.rlim_max),
             EMFILE)
      .with_hint("fewer --conns, or raise the hard limit: ulimit -Hn " + std::to_string(needed) +
                 " (as root, or in /etc/security/limits.conf)");
}

}  // namespace netpoll::workload
