// Reads single lines of /proc/PID/status and /proc/PID/stat, and what else is one line or one link.
#include "probes/process/proc_status.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

namespace netpoll::probes {
namespace {

std::string proc_path(pid_t id, const char* file) { return "/proc/" + std::to_string(id) + "/" + file; }

// Empty when the process is gone. One that goes now makes the reading fail (ESRCH), which an iterator over the stream's
// buffer would throw.
std::string text_of(pid_t id, const char* file) {
  std::ifstream stream(proc_path(id, file));
  std::string text;
  std::getline(stream, text, '\0');
  return text;
}

std::optional<ProcStat> stat_of(pid_t id) { return parse_stat(text_of(id, "stat")); }

// Takes a number, and the blanks before it, from the front of a text.
template <typename Number>
std::optional<Number> take_number(std::string_view& text, int base = 10) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

// What stands behind "name:" on the first line that begins so.
std::optional<std::string_view> status_line(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() > name.size() && line[name.size()] == ':' && line.starts_with(name)) {
      return line.substr(name.size() + 1);
    }
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

// Leaves a text without so many fields, each with the blank behind it.
void skip_fields(std::string_view& text, int fields) {
  for (; fields > 0; --fields) {
    const std::size_t blank = text.find(' ');
    text.remove_prefix(blank == std::string_view::npos ? text.size() : blank + 1);
  }
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

std::optional<ProcStat> parse_stat(std::string_view text) {
  // The second field, comm, is in parentheses and may contain them.
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open || close + 2 >= text.size()) {
    return std::nullopt;
  }
  ProcStat stat;
  stat.comm = text.substr(open + 1, close - open - 1);
  std::string_view rest = text.substr(close + 2);
  stat.state = rest.front();
  skip_fields(rest, 1);
  const auto parent = take_number<pid_t>(rest);
  skip_fields(rest, 5);  // the end of this one, and the fields 5 to 8
  const auto flags = take_number<unsigned long>(rest);
  if (!parent || !flags) return std::nullopt;
  stat.parent = *parent;
  stat.flags = *flags;
  skip_fields(rest, 30);  // likewise, and 10 to 38
  stat.last_cpu = take_number<int>(rest);
  return stat;
}

std::optional<long> number_in_status(std::string_view text, std::string_view name) {
  auto line = status_line(text, name);
  return line ? take_number<long>(*line) : std::nullopt;
}

std::optional<std::uint64_t> set_in_status(std::string_view text, std::string_view name) {
  auto line = status_line(text, name);
  return line ? take_number<std::uint64_t>(*line, 16) : std::nullopt;
}

std::optional<pid_t> innermost_in_status(std::string_view text) {
  auto line = status_line(text, "NSpid");
  if (!line || !take_number<pid_t>(*line)) return std::nullopt;
  std::optional<pid_t> last;
  while (const auto number = take_number<pid_t>(*line)) last = number;
  return last;
}

std::optional<long> status_number(pid_t id, std::string_view name) {
  return number_in_status(text_of(id, "status"), name);
}

std::optional<std::uint64_t> status_set(pid_t id, std::string_view name) {
  return set_in_status(text_of(id, "status"), name);
}

std::string comm_of(pid_t pid) {
  std::string name = text_of(pid, "comm");
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
  const auto stat = stat_of(pid);
  return stat && (stat->flags & kKernelThread) != 0;
}

int yama_ptrace_scope() {
  std::ifstream file("/proc/sys/kernel/yama/ptrace_scope");
  int scope = 0;
  return file >> scope ? scope : 0;
}

std::optional<pid_t> innermost_id(pid_t id) { return innermost_in_status(text_of(id, "status")); }

std::optional<PidNamespace> own_pid_namespace() {
  constexpr ino_t kInitial = 0xEFFFFFFC;  // PROC_PID_INIT_INO (include/linux/proc_ns.h)
  struct stat file {};
  if (::stat("/proc/self/ns/pid", &file) != 0 || file.st_ino == kInitial) return std::nullopt;
  return PidNamespace{file.st_dev, file.st_ino};
}

std::vector<pid_t> process_ids() { return ids_in("/proc"); }

std::vector<pid_t> thread_ids(pid_t pid) { return ids_in(proc_path(pid, "task")); }

pid_t parent_of(pid_t pid) {
  const auto stat = stat_of(pid);
  return stat ? stat->parent : 0;
}

std::optional<int> last_cpu(pid_t tid) {
  const auto stat = stat_of(tid);
  return stat ? stat->last_cpu : std::nullopt;
}

bool is_zombie(pid_t id) {
  const auto stat = stat_of(id);
  return stat && stat->state == 'Z';
}

pid_t living_thread(pid_t pid) {
  const auto lives = [](pid_t tid) {
    const auto stat = stat_of(tid);
    return stat && stat->state != 'Z' && stat->state != 'X';
  };
  if (lives(pid)) return pid;
  const std::vector<pid_t> others = thread_ids(pid);
  const auto found = std::find_if(others.begin(), others.end(), lives);
  return found == others.end() ? 0 : *found;
}

}  // namespace netpoll::probes
