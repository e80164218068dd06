// Walks through the map of groups.
#include "probes/bpf/group_map.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>

#include "probes/bpf/syscall_counts.h"

namespace netpoll::probes {
namespace {

static_assert(static_cast<int>(GroupBy::kThread) == NETPOLL_GROUP_THREAD);
static_assert(static_cast<int>(GroupBy::kCgroup) == NETPOLL_GROUP_CGROUP);

GroupCounts group_of(const netpoll_group_key& key, const netpoll_group_counts& counts, GroupBy group_by) {
  GroupCounts group;
  group.pid = static_cast<pid_t>(key.tgid);
  if (group_by == GroupBy::kThread) group.tid = static_cast<pid_t>(key.id);
  if (group_by == GroupBy::kFd) {
    group.fd = static_cast<int>(key.id & 0xffffffff);
    group.inode = key.id >> 32;
  }
  if (group_by == GroupBy::kCgroup) group.cgroup = key.id;
  group.ns_pid = static_cast<pid_t>(counts.ns_pid);
  if (group_by == GroupBy::kThread) group.ns_tid = static_cast<pid_t>(counts.ns_tid);
  group.comm.assign(counts.comm, ::strnlen(counts.comm, sizeof(counts.comm)));
  group.syscall = static_cast<Syscall>(key.call);
  group.count = counts.count;
  group.errors = counts.errors;
  group.again = counts.again;
  group.result = counts.result;
  group.total_ns = counts.total_ns;
  return group;
}

}  // namespace

Result<std::vector<GroupCounts>> read_group_map(int map_fd, GroupBy group_by) {
  std::vector<GroupCounts> groups;
  // The kernel starts from the beginning when the key to go on from has vanished; ours never do.
  netpoll_group_key key{}, next{};
  const netpoll_group_key* from = nullptr;
  while (bpf_map_get_next_key(map_fd, from, &next) == 0) {
    key = next;
    from = &key;
    netpoll_group_counts counts{};
    if (bpf_map_lookup_elem(map_fd, &key, &counts) != 0) continue;
    if (key.call < kSyscallCount) groups.push_back(group_of(key, counts, group_by));
  }
  if (errno != ENOENT) return posix_error("walk the BPF map groups", errno);
  return groups;
}

}  // namespace netpoll::probes
