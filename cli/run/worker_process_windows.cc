// A process of Windows in a job, with a pipe for its standard input and one for its standard output.
#include <io.h>
#include <windows.h>

#include <cstdint>
#include <thread>
#include <utility>

#include "cli/run/worker_process.h"
#include "libruntime/base/wide.h"
#include "libruntime/base/winsock_error.h"
#include "netpoll/fd.h"

namespace netpoll::cli {
namespace {

// The descriptors of C that a worker finds its pipes under: its standard input and output.
constexpr int kControlFd = 0;
constexpr int kReportFd = 1;

HANDLE handle_of(const Fd& fd) { return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(fd.get())); }
Fd fd_of(HANDLE handle) { return Fd(static_cast<int>(reinterpret_cast<std::intptr_t>(handle))); }
Error last_error(const std::string& what) { return posix_error(what, base::errno_of(GetLastError())); }

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

// Reads lines until the writer is gone.
void read_lines(HANDLE pipe, Role role, Mailbox& mailbox) {
  std::string text;
  char buffer[16 * 1024];
  DWORD count = 0;
  while (ReadFile(pipe, buffer, sizeof buffer, &count, nullptr) != 0 && count > 0) {
    text.append(buffer, count);
    std::size_t begin = 0;
    for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      mailbox.put({role, text.substr(begin, end - begin)});
    }
    text.erase(0, begin);
  }
  mailbox.put({role, std::nullopt});
}

}  // namespace

std::string own_path() {
  wchar_t path[MAX_PATH] = {};
  const DWORD length = GetModuleFileNameW(nullptr, path, MAX_PATH);
  return base::narrow({path, length});
}

struct WorkerProcess::State {
  Fd job;
  Fd process;
  Fd control;
  Fd report;
  int pid = 0;
  std::thread reader;
};

WorkerProcess::WorkerProcess() : state_(std::make_unique<State>()) {}

WorkerProcess::~WorkerProcess() {
  if (state_->process.valid()) TerminateProcess(handle_of(state_->process), 3);
  if (state_->reader.joinable()) state_->reader.join();
}

Result<void> WorkerProcess::start(const WorkerArguments& arguments, Role role, Mailbox& mailbox) {
  // It ends with us, however that is: the last handle of the job goes with its owner.
  state_->job = fd_of(CreateJobObjectW(nullptr, nullptr));
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
  SetInformationJobObject(handle_of(state_->job), JobObjectExtendedLimitInformation, &limits, sizeof limits);

  HANDLE ends[2];
  if (CreatePipe(&ends[0], &ends[1], nullptr, 0) == 0) return last_error("make the control pipe");
  const Fd child_control = fd_of(ends[0]);
  state_->control = fd_of(ends[1]);
  if (CreatePipe(&ends[0], &ends[1], nullptr, 0) == 0) return last_error("make the report pipe");
  state_->report = fd_of(ends[0]);
  const Fd child_report = fd_of(ends[1]);
  for (const Fd* end : {&child_control, &child_report}) {
    SetHandleInformation(handle_of(*end), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
  }
  const std::string exe = own_path();
  std::string command = quoted(exe);
  for (const std::string& argument : arguments(kControlFd, kReportFd)) command += " " + quoted(argument);
  STARTUPINFOW startup{};
  startup.cb = sizeof startup;
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = handle_of(child_control);
  startup.hStdOutput = handle_of(child_report);
  startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  PROCESS_INFORMATION made{};
  if (CreateProcessW(base::widen(exe).c_str(), base::widen(command).data(), nullptr, nullptr, /*bInheritHandles=*/TRUE,
                     CREATE_SUSPENDED, nullptr, nullptr, &startup, &made) == 0) {
    return last_error("start " + exe);
  }
  state_->process = fd_of(made.hProcess);
  const Fd thread = fd_of(made.hThread);
  state_->pid = static_cast<int>(made.dwProcessId);
  AssignProcessToJobObject(handle_of(state_->job), made.hProcess);
  ResumeThread(made.hThread);
  state_->reader = std::thread([pipe = handle_of(state_->report), role, &mailbox] { read_lines(pipe, role, mailbox); });
  return {};
}

int WorkerProcess::pid() const { return state_->pid; }
void WorkerProcess::stop() { state_->control.reset(); }

std::optional<std::string> WorkerProcess::ending(std::chrono::milliseconds longest) {
  const HANDLE process = handle_of(state_->process);
  if (WaitForSingleObject(process, static_cast<DWORD>(longest.count())) != WAIT_OBJECT_0) return {};
  DWORD status = 0;
  GetExitCodeProcess(process, &status);
  return "ended with exit status " + std::to_string(status);
}

}  // namespace netpoll::cli
