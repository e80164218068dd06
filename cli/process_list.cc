// Finds processes by looking through /proc.
#include "cli/process_list.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string_view>

#include "probes/process/proc_status.h"

namespace netpoll::cli {
namespace {}  // namespace

std::vector<pid_t> processes() {
  std::vector<pid_t> pids = probes::process_ids();
  std::erase(pids, ::getpid());
  std::sort(pids.begin(), pids.end());
  return pids;
}

pid_t process_of_thread(pid_t tid) { return static_cast<pid_t>(probes::status_number(tid, "Tgid").value_or(tid)); }

bool process_exists(pid_t pid) { return probes::living_thread(pid) != 0; }

std::string find_program(const std::string& name) {
  const auto absolute = [](const std::string& path) {
    char* real = ::realpath(path.c_str(), nullptr);
    std::string result = real != nullptr ? real : "";
    std::free(real);
    return result;
  };
  if (name.find('/') != std::string::npos) return absolute(name);
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/bin:/usr/bin";
  for (;;) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string candidate = (end == 0 ? "." : std::string(rest.substr(0, end))) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return absolute(candidate);
    if (end == rest.size()) return {};
    rest.remove_prefix(end + 1);
  }
}

std::vector<pid_t> processes_named(const std::string& comm) {
  std::vector<pid_t> named;
  for (const pid_t pid : processes()) {
    if (probes::comm_of(pid) == comm && process_exists(pid)) named.push_back(pid);
  }
  return named;
}

std::vector<std::string> process_names() {
  std::set<std::string> names;
  for (const pid_t pid : processes()) names.insert(probes::comm_of(pid));
  names.erase("");
  return {names.begin(), names.end()};
}

}  // namespace netpoll::cli
