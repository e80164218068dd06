// The ids by which perf_event_open(2) knows the tracepoints of system calls: root reads them from tracefs, and can
// leave them in a file for everybody else (`doctor --learn`).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "netpoll/result.h"

namespace netpoll::probes {

// By name: "sys_enter_read" -> 842. The kernel numbers its events as it starts, in the order in which it was linked, so
// they hold for one build of it.
using TracepointIds = std::map<std::string, std::uint64_t>;

// The build of the running kernel: uname(2), and the build id in /sys/kernel/notes where there is one.
struct KernelBuild {
  std::string release, version, machine;
  std::string build_id;  // hexadecimal; empty: unknown
};
KernelBuild running_kernel();

// Where the ids are kept: $NETPOLL_TRACEPOINTS, or /var/lib/netpoll-trace/tracepoints.json.
std::string learned_ids_path();

// The ids from tracefs, of every system call. Fails with kPermission for who may not look (tracefs is root's), with
// kNotFound where it is not mounted, with kNotSupported on a kernel without CONFIG_FTRACE_SYSCALLS.
Result<TracepointIds> read_tracefs_ids();

// What `doctor --learn` keeps. A file of another kernel, or one that is no such file, is refused by
// parse_learned_ids().
std::string learned_ids_document(const TracepointIds& ids, const KernelBuild& kernel);
Result<TracepointIds> parse_learned_ids(const std::string& text, const std::string& path, const KernelBuild& running);

// From tracefs where we may, else from the file.
Result<TracepointIds> find_tracepoint_ids();

}  // namespace netpoll::probes
