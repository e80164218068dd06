// The claim of how netpoll is debugged: the environment's switches, strace, a log in the poller, and debug=2.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <map>
#include <numeric>

#include "cli/claims/lab.h"
#include "exporters/exporter.h"
#include "exporters/snapshot_document.h"
#include "netpoll/net/pipe.h"

namespace netpoll::cli {
namespace {

// Standard error goes to memory while this lives.
class CapturedErrors {
 public:
  explicit CapturedErrors(Lab& lab)
      : memory_(lab.need_fd(::memfd_create("stderr", MFD_CLOEXEC), "memfd_create")),
        before_(lab.need_fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), "fcntl")) {
    ::dup2(memory_.get(), STDERR_FILENO);
  }
  ~CapturedErrors() { ::dup2(before_.get(), STDERR_FILENO); }
  CapturedErrors(const CapturedErrors&) = delete;
  CapturedErrors& operator=(const CapturedErrors&) = delete;

  // Lines that begin so.
  std::int64_t lines(std::string_view beginning) const {
    std::string text(1 << 20, '\0');
    const ssize_t size = ::pread(memory_.get(), text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    std::int64_t count = 0;
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      if (std::string_view(text).substr(at).starts_with(beginning)) ++count;
      if (text.find('\n', at) == std::string::npos) break;
    }
    return count;
  }

 private:
  Fd memory_;
  Fd before_;
};

// Go's goroutine?debug=2, of this program.
std::string debug2_of(Lab& lab, const Runtime& runtime) {
  exporters::SnapshotDocument document;
  document.taken_at = std::chrono::system_clock::now();
  document.head = exporters::Json::object();
  document.snapshot = runtime.snapshot();
  document.shown.resize(document.snapshot.goroutines.size());
  std::iota(document.shown.begin(), document.shown.end(), 0U);
  std::string text;
  exporters::Destination out = exporters::Destination::to_memory(text);
  lab.need(exporters::find_format("debug2")->make(out, {})->snapshot(document), "write debug=2");
  lab.need(out.commit(), "write debug=2");
  return text;
}

void act(Lab& lab) {
  ::setenv("NETPOLLDEBUG", "schedtrace=5,polltrace=1", /*overwrite=*/1);
  const CapturedErrors errors(lab);
  Runtime runtime(lab_config(1));
  runtime.run(
      [&] {
        auto [a, b] = lab.need(socket_pair(), "socket_pair");
        go([&lab, conn = std::move(a)]() mutable { take_byte(lab, conn); });
        lab.step("a goroutine waits to read, under NETPOLLDEBUG=schedtrace=5,polltrace=1");
        const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (errors.lines("SCHED ") < 2 && std::chrono::steady_clock::now() < patience) {
          lab.need(sleep(std::chrono::milliseconds(2)), "sleep");
        }
        const std::string dump = debug2_of(lab, runtime);
        lab.fact("io_wait_in_debug2", dump.find("[IO wait") != std::string::npos);
        lab.step("its line in debug=2: " +
                 dump.substr(
                     dump.find("[IO wait") == std::string::npos ? 0 : dump.rfind('\n', dump.find("[IO wait")) + 1, 60));
        put_byte(lab, b);
      },
      Runtime::Shutdown::kWait);
  lab.fact("sched_lines", errors.lines("SCHED "));
  lab.fact("poll_lines", errors.lines("POLL "));
}

void judge(const Evidence& seen, ClaimFinding& finding) {
  finding.figure("schedtrace_lines", seen.number("sched_lines"), "lines of NETPOLLDEBUG=schedtrace on standard error");
  finding.figure("polltrace_lines", seen.number("poll_lines"),
                 "lines of NETPOLLDEBUG=polltrace: the log in the poller, without a change of its sources");
  finding.figure("io_wait_in_debug2", seen.truth("io_wait_in_debug2"),
                 "whether the text of goroutine?debug=2 says IO wait of the goroutine that reads");
  finding.expect(seen.number("sched_lines") >= 2, "schedtrace says nothing");
  finding.expect(seen.number("poll_lines") >= 2, "polltrace says nothing");
  finding.expect(seen.truth("io_wait_in_debug2"), "debug=2 does not show the wait");
  if (!seen.calls_seen) {
    finding.unseen("nobody could watch the system calls, so it is not known what strace would show");
    return;
  }
  std::map<std::string, std::int64_t> waits{{"epoll_wait", 0}, {"epoll_pwait", 0}, {"epoll_pwait2", 0}};
  std::int64_t changes = 0, all = 0;
  for (const trace::Record& record : seen.records) {
    changes += record.name == "epoll_ctl" ? 1 : 0;
    if (!asks_poller(record)) continue;
    ++waits[std::string(record.name)];
    ++all;
  }
  for (const auto& [name, count] : waits) {
    finding.figure(name + "_calls", count, "calls of " + name + ", as strace -f -e " + name + " would show them");
  }
  finding.figure("epoll_ctl_calls", changes, "calls of epoll_ctl");
  finding.expect(all > 0 && changes > 0, "no call of the poller was seen");
}

}  // namespace

const Claim debugging_claim{
    .name = "debugging",
    .claim =
        "It can be watched: switches in the environment, system calls, a log in the poller, and debug=2 with \"IO "
        "wait\".",
    .article =
        "Debug with GODEBUG=netdns, strace -e epoll_wait,epoll_ctl,kevent, a log in netpoll, and "
        "goroutine?debug=2, where to look for IO wait.",
    .go =
        "netdns is about names, not netpoll: schedtrace is what there is. That strace command fails on Linux, where there "
        "is no kevent, and shows no wait, since Go calls epoll_pwait. A log needs a patched Go. debug=2 is right, but "
        "names no descriptor.",
    .experiment =
        "A goroutine waits to read under NETPOLLDEBUG=schedtrace=5,polltrace=1, and the program writes its own "
        "debug=2.",
    .limits = "",
    .act = act,
    .judge = judge,
};

}  // namespace netpoll::cli
