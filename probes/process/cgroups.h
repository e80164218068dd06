// Cgroups of version 2: a directory is one, and its inode number is the cgroup's id (cgroups(7), kernfs).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/result.h"

namespace netpoll::probes {

struct Cgroup {
  std::string path;  // of its directory
  std::string name;  // below the root of the hierarchy: "/system.slice/redis.service"
  std::uint64_t id = 0;
  std::uint32_t level = 0;  // of nesting; the root has 0
};

// Where the hierarchy is mounted, alone or beside those of version 1, by a text as /proc/self/mounts. Empty: nowhere.
std::string parse_cgroup_mount(std::istream& mounts);

// path: a directory, or its name below the root ("/system.slice/redis.service", as /proc/PID/cgroup says it). Fails
// with kNotFound when it is no cgroup v2, kNotSupported from within a cgroup namespace, where nobody knows its level.
Result<Cgroup> find_cgroup(const std::string& path);

// The cgroups whose directory names a container: its id as docker, containerd, CRI-O, podman and nerdctl write it
// ("docker-ID.scope", "cri-containerd-ID.scope", "crio-ID.scope", "libpod-ID.scope", "nerdctl-ID.scope", "ID"), or the
// first 12 or more digits of it. Those inside of one found are left out. kNotFound when there is none, kInvalid for no
// id.
Result<std::vector<Cgroup>> find_container(std::string_view id);

// Those of a pod of Kubernetes, "NAMESPACE/NAME": its UID is in the name of its directory of logs, and that is in the
// name of its cgroup. logs: where the kubelet keeps them. kNotFound, kInvalid as above.
Result<std::vector<Cgroup>> find_pod(std::string_view name, const std::string& logs = "/var/log/pods");

// The processes in and below a cgroup, by its directory; what cannot be read is left out.
std::vector<pid_t> cgroup_members(const std::string& directory);

// The directory whose cgroup has this id; empty when there is none (any more).
std::string cgroup_name(std::uint64_t id);

}  // namespace netpoll::probes
