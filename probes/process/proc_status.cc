// Reads single lines of /proc/PID/status and /proc/PID/stat, and what else is one line or one link.
#include "probes/process/proc_status.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

namespace netpoll::probes {
namespace {

std::string proc_path(pid_t id, const char* file) { return "/proc/" + std::to_string(id) + "/" + file; }

// /proc/ID/stat from a field on, numbered from 1 as in proc(5); at least the third. Empty when the process is gone.
std::string stat_from(pid_t id, int field) {
  std::ifstream file(proc_path(id, "stat"));
  // The second field, comm, is in parentheses and may contain spaces, parentheses and newlines.
  std::string line((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::size_t at = line.rfind(')');
  for (int i = 2; at != std::string::npos && i < field; ++i) at = line.find(' ', at + 1);
  return at == std::string::npos ? std::string() : line.substr(at + 1);
}

// The entries of a folder that are numbers; none when there is no such folder.
std::vector<pid_t> ids_in(const std::string& path) {
  struct CloseDir {
    void operator()(DIR* dir) const { closedir(dir); }
  };
  const std::unique_ptr<DIR, CloseDir> dir(opendir(path.c_str()));
  std::vector<pid_t> ids;
  if (dir == nullptr) return ids;
  while (const dirent* entry = readdir(dir.get())) {
    if (const long id = std::strtol(entry->d_name, nullptr, 10); id > 0) ids.push_back(static_cast<pid_t>(id));
  }
  return ids;
}

}  // namespace

std::optional<long> status_number(pid_t id, std::string_view name, int base) {
  std::ifstream file(proc_path(id, "status"));
  for (std::string line; std::getline(file, line);) {
    if (line.size() > name.size() && line[name.size()] == ':' && std::string_view(line).starts_with(name)) {
      return std::strtol(line.c_str() + name.size() + 1, nullptr, base);
    }
  }
  return std::nullopt;
}

std::string comm_of(pid_t pid) {
  std::ifstream file(proc_path(pid, "comm"));
  std::string name((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (name.ends_with('\n')) name.pop_back();
  return name;
}

std::string executable_file(pid_t pid) { return proc_path(living_thread(pid), "exe"); }

std::string executable_link(pid_t pid) {
  std::array<char, PATH_MAX> text;
  const ssize_t size = readlink(executable_file(pid).c_str(), text.data(), text.size());
  return size < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(size));
}

std::string exe_of(pid_t pid) {
  constexpr std::string_view kDeleted = " (deleted)";
  std::string exe = executable_link(pid);
  if (exe.ends_with(kDeleted)) exe.resize(exe.size() - kDeleted.size());
  return exe;
}

bool is_kernel_thread(pid_t pid) {
  constexpr unsigned long kKernelThread = 0x00200000;  // PF_KTHREAD (include/linux/sched.h)
  return (std::strtoul(stat_from(pid, 9).c_str(), nullptr, 10) & kKernelThread) != 0;
}

int yama_ptrace_scope() {
  std::ifstream file("/proc/sys/kernel/yama/ptrace_scope");
  int scope = 0;
  return file >> scope ? scope : 0;
}

std::optional<pid_t> innermost_id(pid_t id) {
  std::ifstream file(proc_path(id, "status"));
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("NSpid:")) continue;
    std::istringstream numbers(line.substr(6));
    int count = 0;
    pid_t last = 0;
    for (pid_t number = 0; numbers >> number; ++count) last = number;
    return count > 1 ? std::optional(last) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<PidNamespace> own_pid_namespace() {
  constexpr ino_t kInitial = 0xEFFFFFFC;  // PROC_PID_INIT_INO (include/linux/proc_ns.h)
  struct stat file {};
  if (::stat("/proc/self/ns/pid", &file) != 0 || file.st_ino == kInitial) return std::nullopt;
  return PidNamespace{file.st_dev, file.st_ino};
}

std::vector<pid_t> process_ids() { return ids_in("/proc"); }

std::vector<pid_t> thread_ids(pid_t pid) { return ids_in(proc_path(pid, "task")); }

pid_t parent_of(pid_t pid) { return static_cast<pid_t>(std::strtol(stat_from(pid, 4).c_str(), nullptr, 10)); }

std::optional<int> last_cpu(pid_t tid) {
  const std::string text = stat_from(tid, 39);
  if (text.empty()) return std::nullopt;
  return static_cast<int>(std::strtol(text.c_str(), nullptr, 10));
}

bool is_zombie(pid_t id) { return stat_from(id, 3).starts_with('Z'); }

pid_t living_thread(pid_t pid) {
  const auto lives = [](pid_t tid) {
    const std::string state = stat_from(tid, 3);
    return !state.empty() && state[0] != 'Z' && state[0] != 'X';
  };
  if (lives(pid)) return pid;
  const std::vector<pid_t> others = thread_ids(pid);
  const auto found = std::find_if(others.begin(), others.end(), lives);
  return found == others.end() ? 0 : *found;
}

}  // namespace netpoll::probes
