// Each trial: does the thing once, and says why it failed.
#include "probes/feature_trials.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

#include "netpoll/fd.h"
#include "probes/bpf/ebpf_source.h"
#include "probes/bpf/usdt_trial.h"
#include "probes/countable.h"
#include "probes/perf/perf_source.h"
#include "probes/process/elf/usdt_notes.h"
#include "probes/process/proc_status.h"
#include "probes/process/watch.h"
#include "probes/ptrace/attach_error.h"

namespace netpoll::probes {
namespace {

Feature works(Feature feature, std::string detail = {}) {
  feature.ok = true;
  feature.detail = std::move(detail);
  return feature;
}

Feature fails(Feature feature, std::string why_not, std::string fix = {}) {
  feature.why_not = std::move(why_not);
  feature.fix = std::move(fix);
  return feature;
}

std::string own_path() {
  const std::string path = exe_of(::getpid());
  return path.empty() ? "netpoll-trace" : path;
}

// The capabilities in force, by their numbers in linux/capability.h.
bool has_capability(int number) { return (status_set(::getpid(), "CapEff").value_or(0) >> number & 1) != 0; }

// What would give us the right to use BPF. Root that has it and is refused faces kernel lockdown or a security module,
// which no command of ours turns off.
std::string privilege_fix() {
  if (::geteuid() != 0) return "sudo setcap cap_bpf,cap_perfmon+ep " + own_path();
  const bool privileged = has_capability(CAP_SYS_ADMIN) || (has_capability(CAP_BPF) && has_capability(CAP_PERFMON));
  return privileged ? "" : "docker run --cap-add BPF --cap-add PERFMON ...";
}

Feature fails_for(Feature feature, const Error& error) {
  return fails(std::move(feature), error.message(), error.is(ErrorKind::kPermission) ? privilege_fix() : "");
}

// A child that only waits to be looked at; killed and reaped by the destructor.
class IdleChild {
 public:
  IdleChild() {
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (::getppid() == parent) ::pause();
    ::_exit(0);
  }
  IdleChild(const IdleChild&) = delete;
  IdleChild& operator=(const IdleChild&) = delete;
  ~IdleChild() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

}  // namespace

Feature try_ebpf_build() {
  Feature feature{.name = "ebpf_build", .purpose = "the eBPF back end is part of this build"};
  const std::string missing = ebpf_missing_at_build();
  if (missing.empty()) return works(std::move(feature));
  std::string packages = missing;
  for (std::size_t at; (at = packages.find(',')) != std::string::npos;) packages.erase(at, 1);
  return fails(std::move(feature), "missing when it was built: " + missing,
               packages.starts_with("-D") ? "cmake " + packages + " and build again"
                                          : "sudo apt-get install " + packages + ", and build again");
}

Feature try_kernel_btf() {
  Feature feature{.name = "kernel_btf", .purpose = "eBPF programs find their way in this kernel"};
  if (::access("/sys/kernel/btf/vmlinux", R_OK) == 0) return works(std::move(feature), "/sys/kernel/btf/vmlinux");
  const bool mounted = ::access("/sys/kernel", F_OK) == 0;
  return fails(std::move(feature),
               mounted ? "this kernel was built without CONFIG_DEBUG_INFO_BTF" : "/sys is not mounted here");
}

Feature try_ebpf_counts() {
  Feature feature{.name = "ebpf_counts", .purpose = "run, stat: exact counts and times at the lowest cost"};
  auto source = make_ebpf_source({.latency = true, .tracepoints = false});
  if (!source) return fails_for(std::move(feature), source.error());
  if (auto attached = (*source)->attach({.pid = ::getpid()}); !attached) {
    return fails_for(std::move(feature), attached.error());
  }
  constexpr std::uint64_t kCalls = 7;
  for (std::uint64_t i = 0; i < kCalls; ++i) ::close(-1);
  auto counts = (*source)->read();
  if (!counts) return fails_for(std::move(feature), counts.error());
  const auto& closes = counts->syscalls[static_cast<std::size_t>(Syscall::close)];
  const auto failed = closes.errors.find(EBADF);
  if (failed == closes.errors.end() || failed->second < kCalls) {
    return fails(std::move(feature), "the programs run but do not see our system calls");
  }
  return works(std::move(feature), "saw our own calls");
}

Feature try_usdt_probes() {
  Feature feature{.name = "usdt", .purpose = "run, stat, trace: libruntime's tracepoints, by eBPF"};
  auto tried = try_usdt();
  if (!tried) return fails_for(std::move(feature), tried.error());
  return works(std::move(feature), std::move(*tried));
}

Feature try_perf_counts() {
  Feature feature{.name = "perf_counts", .purpose = "run, stat -- CMD: exact counts at low cost without privileges"};
  auto source = make_perf_source({.held = true});
  if (source) return works(std::move(feature), "saw our own calls");
  return fails(std::move(feature), source.error().message(), source.error().hint());
}

Feature try_ptrace() {
  Feature feature{.name = "ptrace", .purpose = "run, stat, trace: exact counts, and calls, without privileges"};
  const IdleChild child;
  if (child.pid() < 0) return fails(std::move(feature), posix_error("fork", errno).message());
  if (::ptrace(PTRACE_SEIZE, child.pid(), nullptr, nullptr) == 0) return works(std::move(feature));
  const Error error = attach_error(child.pid(), errno);
  return fails(std::move(feature), error.message() + (error.hint().empty() ? "" : ": " + error.hint()),
               ::geteuid() == 0 && !has_capability(CAP_SYS_PTRACE) ? "docker run --cap-add SYS_PTRACE ..." : "");
}

Feature try_read_memory() {
  Feature feature{.name = "read_memory", .purpose = "snapshot, --backend self: read the memory of a process"};
  const IdleChild child;
  if (child.pid() < 0) return fails(std::move(feature), posix_error("fork", errno).message());
  int here = 0, there = 0;
  const iovec to{&here, sizeof(here)}, from{&there, sizeof(there)};
  if (::process_vm_readv(child.pid(), &to, 1, &from, 1, 0) == sizeof(here)) return works(std::move(feature));
  return fails(std::move(feature), posix_error("process_vm_readv", errno).message(),
               ::geteuid() == 0 && !has_capability(CAP_SYS_PTRACE) ? "docker run --cap-add SYS_PTRACE ..." : "");
}

Feature try_tracefs() {
  Feature feature{.name = "tracefs", .purpose = "doctor --learn: the ids of tracepoints", .wanted = false};
  for (const char* path : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    struct stat info {};
    if (::stat((std::string(path) + "/events").c_str(), &info) == 0) return works(std::move(feature), path);
    if (errno == EACCES) return fails(std::move(feature), std::string(path) + " belongs to root");
  }
  return fails(std::move(feature), "not mounted", "sudo mount -t tracefs nodev /sys/kernel/tracing");
}

Feature try_open_files() {
  Feature feature{.name = "open_files",
                  .purpose = "run --conns 10000: server and load have a descriptor per connection"};
  constexpr rlim_t kEnough = 16384;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::string detail = "up to " + std::to_string(limit.rlim_max) + " per process";
  if (limit.rlim_max >= kEnough) return works(std::move(feature), detail);
  return fails(std::move(feature), detail, "sudo prlimit --pid $$ --nofile=65536");
}

Feature try_target_exists(pid_t pid) {
  Feature feature{.name = "target_exists", .purpose = "there is such a process"};
  auto watch = ProcessWatch::open(pid);
  if (!watch) return fails(std::move(feature), watch.error().message());
  return works(std::move(feature), exe_of(pid));
}

Feature try_target_countable(pid_t pid) {
  Feature feature{.name = "target_countable", .purpose = "stat -p: its system calls have the numbers we know"};
  if (auto fit = check_countable({.pid = pid}); !fit) {
    return fails(std::move(feature), fit.error().message());
  }
  return works(std::move(feature));
}

Feature try_target_memory(pid_t pid) {
  Feature feature{.name = "target_memory", .purpose = "snapshot, --backend ptrace, --backend self: look into it"};
  // Opening it asks the kernel the same question as PTRACE_ATTACH, Yama included, without touching the process.
  const Fd memory(::open(("/proc/" + std::to_string(living_thread(pid)) + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
  if (memory.valid()) return works(std::move(feature));
  const int error = errno == EACCES ? EPERM : errno;
  const Error why = attach_error(pid, error);
  return fails(std::move(feature), why.message() + (why.hint().empty() ? "" : ": " + why.hint()),
               error == EPERM && ::geteuid() != 0 ? "sudo " + own_path() + " ..." : "");
}

Feature try_target_untraced(pid_t pid) {
  Feature feature{.name = "target_untraced", .purpose = "--backend ptrace: nobody else traces it"};
  const long tracer = status_number(pid, "TracerPid").value_or(0);
  if (tracer == 0) return works(std::move(feature));
  return fails(std::move(feature), "pid " + std::to_string(tracer) + " (" + exe_of(static_cast<pid_t>(tracer)) +
                                       ") traces it, and a process has one tracer at a time");
}

Feature try_target_usdt(pid_t pid) {
  Feature feature{.name = "target_usdt", .purpose = "its libruntime tracepoints can be counted", .wanted = false};
  auto sites = read_usdt_sites(executable_file(pid), "netpoll");
  if (!sites) return fails(std::move(feature), sites.error().message());
  if (sites->empty()) {
    return fails(std::move(feature), "not a libruntime program, or built without <sys/sdt.h>");
  }
  std::set<std::string> names;
  for (const UsdtSite& site : *sites) names.insert(site.name);
  return works(std::move(feature),
               std::to_string(names.size()) + " tracepoints in " + std::to_string(sites->size()) + " places");
}

}  // namespace netpoll::probes
