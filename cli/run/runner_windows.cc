// The steps of one run on Windows, where workers are started whole and talk through pipes that threads read.
#include <io.h>
#include <windows.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "cli/run/runner.h"
#include "cli/spell.h"
#include "cli/units.h"
#include "exporters/text.h"
#include "libruntime/base/winsock_error.h"
#include "netpoll/fd.h"

namespace netpoll::cli {
namespace {

using std::chrono::steady_clock;
using workload::Failure;
using workload::Plan;

// How often an interrupt is looked for.
constexpr std::chrono::milliseconds kLook{100};

// The descriptors of C that a worker finds its pipes under: its standard input and output.
constexpr int kControlFd = 0;
constexpr int kReportFd = 1;

HANDLE handle_of(const Fd& fd) { return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(fd.get())); }
Fd fd_of(HANDLE handle) { return Fd(static_cast<int>(reinterpret_cast<std::intptr_t>(handle))); }
Error last_error(const std::string& what) { return posix_error(what, base::errno_of(GetLastError())); }

std::string own_path() {
  char path[MAX_PATH] = {};
  const DWORD length = GetModuleFileNameA(nullptr, path, MAX_PATH);
  return std::string(path, length);
}

// As CommandLineToArgvW and the C library take it apart: backslashes count only before a quote.
std::string quoted(const std::string& argument) {
  std::string out = "\"";
  std::size_t slashes = 0;
  for (const char c : argument) {
    if (c == '"') out.append(slashes + 1, '\\');
    slashes = c == '\\' ? slashes + 1 : 0;
    out += c;
  }
  return out.append(slashes, '\\') + "\"";
}

// What both workers have to say, in the order of arrival. Thread-safe.
struct Report {
  bool of_server = false;
  std::optional<std::string> line;  // nothing: the report is at its end
};
class Mailbox {
 public:
  void put(Report report) {
    const std::lock_guard lock(mutex_);
    reports_.push_back(std::move(report));
    filled_.notify_one();
  }
  // Waits for one, at most that long.
  std::optional<Report> take(std::chrono::milliseconds longest) {
    std::unique_lock lock(mutex_);
    if (!filled_.wait_for(lock, longest, [this] { return !reports_.empty(); })) return std::nullopt;
    Report report = std::move(reports_.front());
    reports_.pop_front();
    return report;
  }

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Report> reports_;
};

// Reads lines until the writer is gone.
void read_lines(HANDLE pipe, bool of_server, Mailbox& mailbox) {
  std::string text;
  char buffer[16 * 1024];
  DWORD count = 0;
  while (ReadFile(pipe, buffer, sizeof buffer, &count, nullptr) != 0 && count > 0) {
    text.append(buffer, count);
    std::size_t begin = 0;
    for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      mailbox.put({of_server, text.substr(begin, end - begin)});
    }
    text.erase(0, begin);
  }
  mailbox.put({of_server, std::nullopt});
}

// A server or load generator: this program again. The destructor ends one that still lives. Not thread-safe.
class WorkerProcess {
 public:
  WorkerProcess() = default;
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess() {
    if (process_.valid()) TerminateProcess(handle_of(process_), 3);
    if (reader_.joinable()) reader_.join();
  }

  // mailbox outlives it.
  Result<void> start(const std::vector<std::string>& arguments, bool of_server, Mailbox& mailbox) {
    // It ends with us, however that is: the last handle of the job goes with its owner.
    job_ = fd_of(CreateJobObjectW(nullptr, nullptr));
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    SetInformationJobObject(handle_of(job_), JobObjectExtendedLimitInformation, &limits, sizeof limits);

    HANDLE ends[2];
    if (CreatePipe(&ends[0], &ends[1], nullptr, 0) == 0) return last_error("make the control pipe");
    const Fd child_control = fd_of(ends[0]);
    control_ = fd_of(ends[1]);
    if (CreatePipe(&ends[0], &ends[1], nullptr, 0) == 0) return last_error("make the report pipe");
    report_ = fd_of(ends[0]);
    const Fd child_report = fd_of(ends[1]);
    for (const Fd* end : {&child_control, &child_report}) {
      SetHandleInformation(handle_of(*end), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    }
    const std::string exe = own_path();
    std::string command = quoted(exe);
    for (const std::string& argument : arguments) command += " " + quoted(argument);
    STARTUPINFOA startup{};
    startup.cb = sizeof startup;
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = handle_of(child_control);
    startup.hStdOutput = handle_of(child_report);
    startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    PROCESS_INFORMATION made{};
    if (CreateProcessA(exe.c_str(), command.data(), nullptr, nullptr, /*bInheritHandles=*/TRUE, CREATE_SUSPENDED,
                       nullptr, nullptr, &startup, &made) == 0) {
      return last_error("start " + exe);
    }
    process_ = fd_of(made.hProcess);
    const Fd thread = fd_of(made.hThread);
    pid_ = static_cast<int>(made.dwProcessId);
    AssignProcessToJobObject(handle_of(job_), made.hProcess);
    ResumeThread(made.hThread);
    reader_ = std::thread([pipe = handle_of(report_), of_server, &mailbox] { read_lines(pipe, of_server, mailbox); });
    return {};
  }

  int pid() const { return pid_; }
  // Closes the control pipe: it reports what it has and exits. Idempotent.
  void stop() { control_.reset(); }
  // Its exit status, once it has ended; waits at most that long.
  std::optional<DWORD> wait(std::chrono::milliseconds longest) const {
    if (WaitForSingleObject(handle_of(process_), static_cast<DWORD>(longest.count())) != WAIT_OBJECT_0) return {};
    DWORD status = 0;
    GetExitCodeProcess(handle_of(process_), &status);
    return status;
  }

 private:
  Fd job_;
  Fd process_;
  Fd control_;
  Fd report_;
  int pid_ = 0;
  std::thread reader_;
};

std::string ending(const WorkerProcess& worker) {
  const auto status = worker.wait(kPatience);
  return status ? "ended with exit status " + std::to_string(*status) : "closed its report";
}

// One run. Members are what the phases hand to each other; the destructors of the workers leave no process behind.
class Runner {
 public:
  Runner(const Plan& plan, Interrupt& interrupt, Log& log) : plan_(plan), interrupt_(interrupt), log_(log) {}

  Result<RunOutcome> run(probes::Backend backend) {
    // The server's own counters are all there is.
    outcome_.probe.backend = backend == probes::Backend::kAuto ? probes::Backend::kSelf : backend;
    if (outcome_.probe.backend != probes::Backend::kSelf && outcome_.probe.backend != probes::Backend::kNone) {
      return Error(ErrorKind::kNotSupported,
                   "the back end " + std::string(probes::backend_name(backend)) + " is not on Windows")
          .with_hint("--backend self counts by libruntime's own counters");
    }
    for (const auto phase : {&Runner::start_server, &Runner::drive, &Runner::finish_server}) {
      if (auto ok = (this->*phase)(); !ok) return std::move(ok).error();
    }
    outcome_.interrupted = interrupt_.requested();
    return std::move(outcome_);
  }

 private:
  Result<void> start_server() {
    outcome_.started_at = std::chrono::system_clock::now();
    auto started = server_.start(workload::serve_args(plan_, kControlFd, kReportFd), /*of_server=*/true, mailbox_);
    if (!started) return std::move(started).error().within("start the server");
    deadline_ = steady_clock::now() + kPatience;
    while (!listening_ && !interrupt_.requested()) {
      if (auto ok = step("the server did not get ready"); !ok) return ok;
    }
    const std::string exe = own_path();
    outcome_.target.pid = server_.pid();
    outcome_.target.exe = exe;
    outcome_.target.comm = exe.substr(exe.find_last_of("\\/") + 1);
    outcome_.target.kind = "libruntime";
    if (!listening_) return {};
    outcome_.addresses = listening_->addresses;
    const std::string where = outcome_.addresses.empty() ? "" : ", listening on " + joined(outcome_.addresses);
    const std::string who = "server: pid " + std::to_string(server_.pid()) + where;
    if (plan_.serve_only || plan_.duration.count() > 0) {
      log_.answer(who);
    } else {
      log_.detail(who);
    }
    return {};
  }

  // Until the operations are done, the time is up, or somebody interrupts.
  Result<void> drive() {
    if (!listening_) return {};
    if (plan_.has_load()) return drive_load();
    const bool timed = plan_.serve_only && plan_.duration.count() > 0;
    const auto end = steady_clock::now() + plan_.duration;
    deadline_ = steady_clock::time_point::max();
    while (!outcome_.server && !interrupt_.requested() && !(timed && steady_clock::now() >= end)) {
      if (auto ok = step(""); !ok) return ok;
    }
    return {};
  }

  Result<void> drive_load() {
    auto started = load_.start(workload::load_args(plan_, listening_->addresses, server_.pid(), kControlFd, kReportFd),
                               false, mailbox_);
    if (!started) return std::move(started).error().within("start the load generator");
    deadline_ = steady_clock::time_point::max();
    bool stopped = false;
    while (!outcome_.load) {
      if (interrupt_.requested() && !stopped) {
        log_.note("stopping; again Ctrl-C ends at once");
        load_.stop();
        stopped = true;
        deadline_ = steady_clock::now() + kPatienceAfterInterrupt;
      }
      if (auto ok = step("the load generator did not stop"); !ok) return ok;
    }
    log_.clear_progress();
    return {};
  }

  Result<void> finish_server() {
    server_.stop();
    deadline_ = steady_clock::now() + (interrupt_.requested() ? kPatienceAfterInterrupt : kPatience);
    finishing_ = true;
    while (!server_at_end_) {
      if (auto ok = step("the server did not stop"); !ok) return ok;
    }
    if (!outcome_.server && !interrupt_.requested()) {
      return Error(ErrorKind::kSystem, "the server " + ending(server_) + " without a result");
    }
    if (outcome_.server && outcome_.probe.backend == probes::Backend::kSelf) {
      for (std::size_t i = 0; i < trace::kTpCount; ++i) {
        const auto own = outcome_.server->tracepoints.find(std::string(trace::tracepoints()[i].name));
        if (own != outcome_.server->tracepoints.end()) outcome_.counts.tracepoints[i] = own->second;
      }
      outcome_.probe.lost = 0;
    }
    return {};
  }

  // Waits for the next report, for a moment, and takes it. Fails with `late` when deadline_ has passed, and when a
  // worker failed or is gone too early.
  Result<void> step(const std::string& late) {
    if (!late.empty() && steady_clock::now() >= deadline_) {
      return Error(ErrorKind::kTimeout, late).with_hint("is the machine overloaded?");
    }
    const auto report = mailbox_.take(kLook);
    if (!report) return {};
    if (report->of_server) return report->line ? hear_server(*report->line) : end_of_server();
    return report->line ? hear_load(*report->line) : end_of_load();
  }

  Result<void> hear_server(const std::string& line) {
    auto message = workload::parse_server_line(line);
    if (!message) return std::move(message).error().within("the server's report");
    if (!*message) return {};
    if (const auto* failure = std::get_if<Failure>(&**message)) return error_of(*failure);
    if (auto* listening = std::get_if<workload::Listening>(&**message)) listening_ = std::move(*listening);
    if (auto* result = std::get_if<workload::ServerResult>(&**message)) outcome_.server = std::move(*result);
    return {};
  }

  Result<void> end_of_server() {
    server_at_end_ = true;
    if (finishing_ || outcome_.server || interrupt_.requested()) return {};
    return Error(ErrorKind::kSystem, "the server " + ending(server_) + " in the middle of the run")
        .with_hint("its own message, if it had one, stands above");
  }

  Result<void> hear_load(const std::string& line) {
    auto message = workload::parse_load_line(line);
    if (!message) return std::move(message).error().within("the load generator's report");
    if (!*message) return {};
    if (const auto* failure = std::get_if<Failure>(&**message)) return error_of(*failure);
    if (const auto* progress = std::get_if<workload::Progress>(&**message)) {
      log_.progress(std::string(plan_.workload->name) + ": " + exporters::grouped(progress->operations) +
                    " operations");
    }
    if (auto* result = std::get_if<workload::LoadResult>(&**message)) outcome_.load = std::move(*result);
    return {};
  }

  Result<void> end_of_load() {
    if (outcome_.load) return {};
    return Error(ErrorKind::kSystem, "the load generator " + ending(load_) + " in the middle of the run");
  }

  const Plan& plan_;
  Interrupt& interrupt_;
  Log& log_;
  Mailbox mailbox_;  // outlives the workers
  WorkerProcess server_;
  WorkerProcess load_;
  std::optional<workload::Listening> listening_;
  RunOutcome outcome_;
  steady_clock::time_point deadline_ = steady_clock::time_point::max();
  bool finishing_ = false;
  bool server_at_end_ = false;
};

}  // namespace

Result<RunOutcome> run_plan(const Plan& plan, probes::Backend backend, Interrupt& interrupt, Log& log) {
  Runner runner(plan, interrupt, log);
  return runner.run(backend);
}

}  // namespace netpoll::cli
