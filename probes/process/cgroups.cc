// Looks for cgroups in the directories of their hierarchy.
#include "probes/process/cgroups.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

namespace netpoll::probes {
namespace {

namespace fs = std::filesystem;

// include/linux/proc_ns.h, PROC_CGROUP_INIT_INO: the namespace that every process is in unless somebody changed that.
constexpr std::string_view kFirstNamespace = "cgroup:[4026531835]";

// A path as the kernel writes it into lists of mounts: blanks and backslashes are "\040" and its like, in octal.
std::string unescaped(std::string_view text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string path;
  while (!text.empty()) {
    if (text.size() >= 4 && text[0] == '\\' && std::all_of(text.begin() + 1, text.begin() + 4, is_octal)) {
      path += static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
      text.remove_prefix(4);
    } else {
      path += text[0];
      text.remove_prefix(1);
    }
  }
  return path;
}

std::string mount_point() {
  std::ifstream mounts("/proc/self/mounts");
  return parse_cgroup_mount(mounts);
}

bool is_cgroup2(const std::string& path) {
  struct statfs info {};
  return ::statfs(path.c_str(), &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
}

std::optional<Cgroup> cgroup_at(const std::string& path, const std::string& root) {
  struct stat info {};
  std::error_code failed;
  const std::string real = fs::canonical(path, failed).string();
  if (failed || !is_cgroup2(real) || ::stat(real.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return std::nullopt;
  if (real.compare(0, root.size(), root) != 0) return std::nullopt;
  Cgroup cgroup;
  cgroup.path = real;
  cgroup.name = real == root ? "/" : real.substr(root.size());
  cgroup.id = info.st_ino;
  cgroup.level = real == root ? 0 : static_cast<std::uint32_t>(std::count(cgroup.name.begin(), cgroup.name.end(), '/'));
  return cgroup;
}

bool in_first_namespace() {
  std::array<char, 64> link{};
  const ssize_t n = ::readlink("/proc/self/ns/cgroup", link.data(), link.size());
  return n > 0 && std::string_view(link.data(), static_cast<std::size_t>(n)) == kFirstNamespace;
}

Result<std::string> root_of_hierarchy() {
  std::string root = mount_point();
  if (root.empty()) {
    return Error(ErrorKind::kNotSupported, "no hierarchy of cgroups v2 is mounted")
        .with_hint("mount -t cgroup2 none /sys/fs/cgroup/unified");
  }
  if (!in_first_namespace()) {
    return Error(ErrorKind::kNotSupported,
                 "we are in a cgroup namespace, from which no cgroup can be told to the kernel")
        .with_hint("run on the host, or with --cgroupns host");
  }
  return root;
}

// Calls f for every cgroup but the root, outer ones first; f says whether to look inside.
template <typename F>
void each_directory(const std::string& root, F&& f) {
  std::error_code failed;
  auto at = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, failed);
  for (; !failed && at != fs::recursive_directory_iterator(); at.increment(failed)) {
    std::error_code gone;
    if (!at->is_directory(gone) || gone) continue;
    if (!f(at->path().string())) at.disable_recursion_pending();
  }
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// "docker-0123....scope" -> "0123...": what container runtimes name their cgroups.
std::string_view id_in(std::string_view directory) {
  if (directory.ends_with(".scope")) directory.remove_suffix(6);
  for (const std::string_view prefix : {"docker-", "cri-containerd-", "crio-", "libpod-", "nerdctl-"}) {
    if (directory.starts_with(prefix)) directory.remove_prefix(prefix.size());
  }
  return directory;
}

constexpr std::size_t kLeastDigits = 12;  // what docker ps shows

}  // namespace

std::string parse_cgroup_mount(std::istream& mounts) {
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device, point, type;
    if (words >> device >> point >> type && type == "cgroup2") return unescaped(point);
  }
  return {};
}

Result<Cgroup> find_cgroup(const std::string& path) {
  const auto root = root_of_hierarchy();
  if (!root) return root.error();
  for (const std::string& candidate : {path, *root + "/" + path}) {
    if (auto cgroup = cgroup_at(candidate, *root)) return *cgroup;
  }
  return Error(ErrorKind::kNotFound, path + " is no cgroup v2")
      .with_hint("the third field of /proc/PID/cgroup, in the line that begins with 0::, names the one of a process");
}

Result<std::vector<Cgroup>> find_container(std::string_view id) {
  if (id.size() < kLeastDigits || !is_hex(id)) {
    return Error(ErrorKind::kInvalid, "\"" + std::string(id) + "\" is no container id")
        .with_hint("12 digits of it or more, as docker ps or crictl ps shows them");
  }
  const auto root = root_of_hierarchy();
  if (!root) return root.error();
  std::vector<Cgroup> found;
  each_directory(*root, [&](const std::string& directory) {
    const std::string_view name = id_in(std::string_view(directory).substr(directory.rfind('/') + 1));
    if (!name.starts_with(id) || !is_hex(name)) return true;
    if (auto cgroup = cgroup_at(directory, *root)) found.push_back(std::move(*cgroup));
    return false;
  });
  if (found.empty()) {
    return Error(ErrorKind::kNotFound, "no cgroup is that of a container " + std::string(id))
        .with_hint("docker ps or crictl ps lists what runs; --cgroup takes the directory itself");
  }
  return found;
}

Result<std::vector<Cgroup>> find_pod(std::string_view name, const std::string& logs) {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == name.size()) {
    return Error(ErrorKind::kInvalid, "\"" + std::string(name) + "\" is no pod").with_hint("--pod NAMESPACE/NAME");
  }
  const auto root = root_of_hierarchy();
  if (!root) return root.error();
  // NAMESPACE_NAME_UID; neither name has an underscore.
  const std::string prefix = std::string(name.substr(0, slash)) + "_" + std::string(name.substr(slash + 1)) + "_";
  std::vector<std::string> uids;
  std::error_code failed;
  for (fs::directory_iterator at(logs, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string directory = at->path().filename().string();
    if (directory.starts_with(prefix)) uids.push_back(directory.substr(prefix.size()));
  }
  std::vector<Cgroup> found;
  each_directory(*root, [&](const std::string& directory) {
    std::string last = directory.substr(directory.rfind('/') + 1);
    // "pod1234-..." under cgroupfs, "kubepods-besteffort-pod1234_....slice" under systemd.
    std::replace(last.begin(), last.end(), '_', '-');
    const auto is = [&](const std::string& uid) {
      return last == "pod" + uid || last.ends_with("-pod" + uid + ".slice");
    };
    if (std::none_of(uids.begin(), uids.end(), is)) return true;
    if (auto cgroup = cgroup_at(directory, *root)) found.push_back(std::move(*cgroup));
    return false;
  });
  if (found.empty()) {
    return Error(ErrorKind::kNotFound, "no cgroup is that of a pod " + std::string(name))
        .with_hint("kubectl get pods -A -o wide says on which node it runs; this must be that node");
  }
  return found;
}

std::vector<pid_t> cgroup_members(const std::string& directory) {
  std::vector<pid_t> members;
  const auto add = [&](const std::string& path) {
    std::ifstream file(path + "/cgroup.procs");
    // Processes of another pid namespace are 0 here.
    for (pid_t pid = 0; file >> pid;) {
      if (pid > 0) members.push_back(pid);
    }
    return true;
  };
  add(directory);
  each_directory(directory, add);
  return members;
}

std::string cgroup_name(std::uint64_t id) {
  const std::string root = mount_point();
  std::string name;
  struct stat info {};
  if (root.empty()) return name;
  if (::stat(root.c_str(), &info) == 0 && info.st_ino == id) return "/";
  each_directory(root, [&](const std::string& directory) {
    if (name.empty() && ::stat(directory.c_str(), &info) == 0 && info.st_ino == id)
      name = directory.substr(root.size());
    return name.empty();
  });
  return name;
}

}  // namespace netpoll::probes
