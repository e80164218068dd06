// What users without privileges, and machines without BTF, are told; and how little privilege is enough.
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>

#include "probes/bpf/libbpf_log.h"
#include "probes/features.h"
#include "tests/probes/bpf/ebpf_or_skip.h"
#include "tests/support/another_user.h"

namespace netpoll::test {
namespace {

// Runs body in a child and returns the line it came up with.
std::string in_child(const std::function<std::string()>& body) {
  int fds[2];
  if (::pipe(fds) != 0) return "pipe failed";
  const pid_t pid = ::fork();
  if (pid == 0) {
    const std::string line = body();
    const bool written = ::write(fds[1], line.data(), line.size()) == static_cast<ssize_t>(line.size());
    ::_exit(written ? 0 : 1);
  }
  ::close(fds[1]);
  std::string line;
  char buffer[1024];
  for (ssize_t n; (n = ::read(fds[0], buffer, sizeof(buffer))) > 0;) line.append(buffer, static_cast<std::size_t>(n));
  ::close(fds[0]);
  ::waitpid(pid, nullptr, 0);
  return line;
}

// Becomes an ordinary user, with these capabilities and no way to raise a limit.
bool become_nobody_with(std::uint64_t capabilities) {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0 || ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return false;
  if (!become_nobody()) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i].effective = data[i].permitted = static_cast<std::uint32_t>(capabilities >> (32 * i));
  }
  if (::syscall(SYS_capset, &header, data.data()) != 0) return false;
  // Changing the user made us undumpable, and our /proc files root's.
  return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

std::string describe(const Result<std::unique_ptr<probes::Source>>& source) {
  if (source) return "works";
  const Error& error = source.error();
  return std::string(error_kind_name(error.kind())) + "|" + error.message() + "|" + error.hint();
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a user without privileges is told what would help") {
  if (::geteuid() != 0) NETPOLL_SKIP("needs root, to become somebody else");
  const std::string line = in_child([] {
    return become_nobody_with(0) ? describe(probes::make_ebpf_source({})) : std::string("cannot become nobody");
  });
  INFO(line);
  CHECK(line.starts_with("permission|"));
  CHECK(contains(line, "cap_bpf,cap_perfmon"));
  CHECK(contains(line, "--backend ptrace"));
}

TEST_CASE(
    "CAP_BPF and CAP_PERFMON are enough, for tracepoints too, without tracefs and with no locked memory allowed") {
  if (!ebpf_or_skip()) return;
  if (::geteuid() != 0) NETPOLL_SKIP("needs root, to become somebody else");
  const std::string line = in_child([]() -> std::string {
    if (!become_nobody_with(std::uint64_t{1} << CAP_BPF | std::uint64_t{1} << CAP_PERFMON))
      return "cannot become nobody";
    const probes::Features features = probes::probe_features(std::nullopt);
    for (const char* name : {"ebpf_counts", "usdt"}) {
      if (const auto* feature = features.find(name); !feature->ok) return std::string(name) + ": " + feature->why_not;
    }
    return "works";
  });
  CHECK(line == "works");
}

TEST_CASE("a kernel that does not describe its types is named as the reason") {
  if (!ebpf_or_skip()) return;
  const std::string line = in_child([]() -> std::string {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", "/sys/kernel/btf", "tmpfs", 0, nullptr) != 0) {
      return "cannot hide BTF";
    }
    return describe(probes::make_ebpf_source({}));
  });
  if (line == "cannot hide BTF") NETPOLL_SKIP("needs the right to mount");
  INFO(line);
  CHECK(line.starts_with("not-supported|"));
  CHECK(contains(line, "/sys/kernel/btf/vmlinux"));
  CHECK(contains(line, "--backend ptrace"));
}

// The kernel answers EACCES to both.
TEST_CASE("a program that the verifier refuses is not mistaken for a lack of privileges") {
  {
    probes::LibbpfLog refused;
    for (const char* line : {"libbpf: prog 'leave': BPF program load failed: Permission denied\n",
                             "libbpf: prog 'leave': -- BEGIN PROG LOAD LOG --\n",
                             "R1 unbounded memory access, make sure to bounds check any such access\n",
                             "processed 120 insns (limit 1000000)\n", "-- END PROG LOAD LOG --\n"}) {
      refused.append(line);
    }
    const Error error = probes::bpf_error("load the programs", -EACCES, refused);
    CHECK(error.is(ErrorKind::kNotSupported));
    CHECK(error.message().find("R1 unbounded memory access") != std::string::npos);
    CHECK(error.hint().find("--backend ptrace") != std::string::npos);
  }
  const probes::LibbpfLog silent;
  CHECK(probes::bpf_error("load the programs", -EACCES, silent).is(ErrorKind::kPermission));
}

}  // namespace netpoll::test
