// The shared flags that choose processes and cgroups, and what they stand for.
#include <algorithm>

#include "cli/options.h"
#include "cli/process_list.h"
#include "cli/spell.h"
#include "cli/units.h"
#include "probes/process/proc_status.h"

namespace netpoll::cli {

void add_process_options(Flags& flags, ProcessOptions& options, bool several) {
  const char* group = "Target";
  const char* pid = several ? "A process id; repeat it for more" : "A process id";
  const char* comm =
      several ? "Every process with this name (/proc/PID/comm)" : "The process with this name (/proc/PID/comm)";
  flags.list("-p,--pid", options.pids, /*separate=*/true, {group, "PID", pid});
  flags.text("--comm", options.comm, {group, "NAME", comm});
}

Result<std::vector<pid_t>> find_processes(const ProcessOptions& options) {
  std::vector<pid_t> found;
  for (const std::string& text : options.pids) {
    const auto pid = parse_pid(text);
    if (!pid) return pid.error();
    if (!process_exists(*pid)) {
      if (probes::status_number(*pid, "Pid")) {
        return Error(ErrorKind::kNotFound,
                     "process " + text + " has ended; it is a zombie, which its parent has not reaped")
            .with_hint("nothing of it is left to look at; ps -o ppid= -p " + text + " names the parent");
      }
      return Error(ErrorKind::kNotFound, "there is no process " + text)
          .with_hint("it may have ended; ps -e lists what runs, --comm NAME finds a process by its name");
    }
    if (const pid_t owner = process_of_thread(*pid); owner != *pid) {
      return Error(ErrorKind::kInvalid,
                   text + " is a thread of process " + std::to_string(owner) + " (" + probes::comm_of(owner) + ")")
          .with_hint("-p " + std::to_string(owner) + " looks at the process, all of its threads");
    }
    if (std::find(found.begin(), found.end(), *pid) == found.end()) found.push_back(*pid);
  }
  if (!options.comm.empty()) {
    const auto named = processes_named(options.comm);
    if (named.empty()) {
      return Error(ErrorKind::kNotFound, "no process is called \"" + options.comm + "\"")
          .with_hint(did_you_mean(options.comm, process_names(), "ps -eo pid,comm lists what runs"));
    }
    for (const pid_t pid : named) {
      if (std::find(found.begin(), found.end(), pid) == found.end()) found.push_back(pid);
    }
  }
  for (const pid_t pid : found) {
    if (!probes::is_kernel_thread(pid)) continue;
    return Error(ErrorKind::kNotSupported,
                 "process " + std::to_string(pid) + " (" + probes::comm_of(pid) + ") is a kernel thread")
        .with_hint("it makes no system calls, and has neither memory nor descriptors of its own");
  }
  return found;
}

void add_cgroup_options(Flags& flags, CgroupOptions& options) {
  const char* group = "Target";
  flags.list("--cgroup", options.cgroups, /*separate=*/false,
             {group, "PATH", "The processes in and below a cgroup v2, now and later; needs eBPF"});
  flags.list("--container", options.containers, /*separate=*/false, {group, "ID", "The same of a container"});
  flags.list("--pod", options.pods, /*separate=*/false, {group, "NS/NAME", "The same of a pod of Kubernetes"});
}

Result<std::vector<probes::Cgroup>> find_cgroups(const CgroupOptions& options) {
  std::vector<probes::Cgroup> all;
  const auto add = [&](probes::Cgroup cgroup) {
    const auto same = [&](const probes::Cgroup& known) { return known.id == cgroup.id; };
    if (std::none_of(all.begin(), all.end(), same)) all.push_back(std::move(cgroup));
  };
  for (const std::string& path : options.cgroups) {
    auto cgroup = probes::find_cgroup(path);
    if (!cgroup) return std::move(cgroup).error();
    add(std::move(*cgroup));
  }
  for (const std::string& id : options.containers) {
    auto found = probes::find_container(id);
    if (!found) return std::move(found).error();
    for (probes::Cgroup& cgroup : *found) add(std::move(cgroup));
  }
  for (const std::string& name : options.pods) {
    auto found = probes::find_pod(name);
    if (!found) return std::move(found).error();
    for (probes::Cgroup& cgroup : *found) add(std::move(cgroup));
  }
  if (all.size() > probes::kMaxCgroups) {
    return Error(ErrorKind::kInvalid, std::to_string(all.size()) + " cgroups are too many")
        .with_hint("at most " + std::to_string(probes::kMaxCgroups) + "; one that contains them all counts them too");
  }
  return all;
}

Result<void> check_targets(std::string_view command, const ProcessOptions& process, const CgroupOptions& cgroup,
                           const std::vector<std::string>& program) {
  const bool processes = !process.pids.empty() || !process.comm.empty();
  const int kinds = (processes ? 1 : 0) + (cgroup.given() ? 1 : 0) + (program.empty() ? 0 : 1);
  if (kinds == 1) return {};
  const std::string name(command);
  return Error(ErrorKind::kInvalid, kinds == 0 ? name + " needs a process or a command"
                                               : "processes (-p, --comm), cgroups and -- CMD exclude each other")
      .with_hint("netpoll-trace " + name + " -p PID, --comm NAME, --cgroup PATH, or -- CMD ARG...");
}

}  // namespace netpoll::cli
