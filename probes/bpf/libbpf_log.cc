// Catches what libbpf prints.
#include "probes/bpf/libbpf_log.h"

#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace netpoll::probes {
namespace {

thread_local LibbpfLog* current_log = nullptr;

__attribute__((format(printf, 2, 0))) int print(enum libbpf_print_level level, const char* format, va_list args) {
  if (current_log == nullptr || level == LIBBPF_DEBUG) return 0;
  char line[1024];
  const int length = std::vsnprintf(line, sizeof(line), format, args);
  if (length > 0) current_log->append(line);
  return length;
}

}  // namespace

LibbpfLog::LibbpfLog() {
  libbpf_set_print(print);
  current_log = this;
}

LibbpfLog::~LibbpfLog() { current_log = nullptr; }

std::string LibbpfLog::last() const {
  // The verifier's log ends with statistics, and libbpf brackets it with "-- BEGIN/END PROG LOAD LOG --".
  std::string best;
  std::size_t start = 0;
  while (start < text_.size()) {
    std::size_t end = text_.find('\n', start);
    if (end == std::string::npos) end = text_.size();
    std::string_view line = std::string_view(text_).substr(start, end - start);
    start = end + 1;
    if (line.starts_with("libbpf: ")) line.remove_prefix(8);
    const bool noise = line.empty() || line.starts_with("-- ") || line.starts_with("processed ") ||
                       line.find("failed to load object") != line.npos ||
                       line.find("failed to load BPF skeleton") != line.npos;
    if (!noise) best = line;
  }
  return best;
}

Error bpf_error(const std::string& what, int result, const LibbpfLog& log) {
  const int error = result < 0 ? -result : result;
  if (error == EACCES && log.rejected()) {
    return Error(ErrorKind::kNotSupported,
                 what + ": the verifier of this kernel refuses the program (" + log.last() + ")", 0)
        .with_hint("that is a defect of ours: please report it with `uname -r`; --backend ptrace works meanwhile");
  }
  if (error == EPERM || error == EACCES) {
    return Error(ErrorKind::kPermission, what, error)
        .with_hint(
            ::geteuid() == 0
                ? "this kernel or container withholds CAP_BPF and CAP_PERFMON (or kernel lockdown is on); "
                  "`netpoll-trace doctor` shows which; or use --backend ptrace"
                : "run as root, or grant the program cap_bpf,cap_perfmon+ep with setcap, or use --backend ptrace");
  }
  if (error == ENOSYS) {
    return Error(ErrorKind::kNotSupported, what + ": this kernel has no bpf system call", error)
        .with_hint("use --backend ptrace");
  }
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
    if (::access("/sys/kernel", F_OK) != 0) {
      return Error(ErrorKind::kNotSupported, what + ": /sys, where the kernel describes its types, is not mounted here")
          .with_hint("mount -t sysfs sysfs /sys; or use --backend ptrace");
    }
    return Error(ErrorKind::kNotSupported, what + ": this kernel does not describe its types (/sys/kernel/btf/vmlinux)",
                 0)
        .with_hint("a kernel with CONFIG_DEBUG_INFO_BTF=y is needed; or use --backend ptrace");
  }
  const std::string detail = log.last();
  return Error(ErrorKind::kSystem, detail.empty() ? what : what + " (" + detail + ")", error)
      .with_hint("`netpoll-trace doctor` shows what this kernel allows; or use --backend ptrace");
}

}  // namespace netpoll::probes
