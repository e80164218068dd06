// Joins the links of /proc/PID/fd with the kernel's tables of sockets and with the processes at the other ends.
#include "probes/process/descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "netpoll/fd.h"
#include "probes/process/peers.h"
#include "probes/process/proc_status.h"
#include "probes/process/sockets.h"

namespace netpoll::probes {
namespace {

// An open file of the target's, and how the descriptor has it open.
struct OpenFile {
  FileKey key;
  AccessMode mode{.reads = true, .writes = true};
};
using OpenFiles = std::unordered_map<int, OpenFile>;

// Reads one link; the file is entered where it is a socket, a pipe or a FIFO.
void read_link(int folder, int number, Descriptors& result, OpenFiles& files) {
  const std::string name = std::to_string(number);
  std::array<char, 256> text;
  const ssize_t size = readlinkat(folder, name.c_str(), text.data(), text.size());
  if (size < 0) return;
  const std::string_view link(text.data(), static_cast<std::size_t>(size));
  DescriptorInfo& info = result[number];
  info.kind = "other";
  info.local = std::string(link);
  OpenFile file;
  if (const auto key = key_of_link(link)) {
    file.key = *key;
  } else {
    struct stat status {};
    if (!link.starts_with('/') || fstatat(folder, name.c_str(), &status, 0) != 0 || !S_ISFIFO(status.st_mode)) return;
    file.key = {.kind = FileKey::Kind::kFifo, .device = status.st_dev, .inode = status.st_ino};
  }
  info.inode = file.key.inode;
  if (file.key.kind != FileKey::Kind::kSocket) {
    info.kind = "pipe";
    file.mode = access_mode(folder, name.c_str());
  }
  files.emplace(number, file);
}

// Fills in what the kernel's tables say, and returns for each descriptor the file at its other end.
std::unordered_map<int, FileKey> add_sockets(pid_t pid, const OpenFiles& files, Descriptors& result) {
  std::unordered_map<int, FileKey> other_ends;
  Inodes inodes;
  for (const auto& [number, file] : files) {
    if (file.key.kind == FileKey::Kind::kSocket) {
      inodes.insert(file.key.inode);
    } else {
      other_ends[number] = file.key;
    }
  }
  auto sockets = find_sockets(pid, inodes);
  for (const auto& [number, file] : files) {
    if (file.key.kind != FileKey::Kind::kSocket) continue;
    DescriptorInfo& info = result[number];
    if (!sockets) {
      // It is a socket, but the tables that say which are not to be read.
      info = {};
      info.inode = file.key.inode;
      continue;
    }
    const auto found = sockets->find(file.key.inode);
    if (found == sockets->end()) continue;
    const SocketInfo& s = found->second;  // of several descriptors, where they are duplicates
    set_socket(s, info);
    if (s.peer_inode != 0) other_ends[number] = {.kind = FileKey::Kind::kSocket, .inode = s.peer_inode};
  }
  return other_ends;
}

void add_peers(pid_t pid, const OpenFiles& files, const std::unordered_map<int, FileKey>& other_ends,
               Descriptors& result) {
  FileKeys keys;
  for (const auto& [number, key] : other_ends) keys.insert(key);
  const Holders holders = find_holders(keys);
  for (const auto& [number, key] : other_ends) {
    const auto found = holders.find(key);
    if (found == holders.end()) continue;
    const AccessMode own = files.at(number).mode;
    for (const Holder& holder : found->second) {
      // Both ends of a pipe are one file: who reads has whoever writes at the other end.
      const bool opposite = (own.reads && holder.mode.writes) || (own.writes && holder.mode.reads);
      const bool itself = holder.process.pid == pid && holder.process.fd == number;
      if (opposite && !itself) result[number].peer_processes.push_back(holder.process);
    }
  }
}

}  // namespace

void set_socket(const SocketInfo& socket, DescriptorInfo& info) {
  info.kind = socket.kind;
  info.local = socket.local;
  info.peer = socket.peer;
  info.tcp_state = socket.state;
  info.recv_queue_bytes = socket.recv_queue_bytes;
  info.send_queue_bytes = socket.send_queue_bytes;
  info.recv_idle_ns = socket.recv_idle_ns;
  info.send_idle_ns = socket.send_idle_ns;
}

Descriptors describe_descriptors(pid_t pid, const std::vector<int>& numbers) {
  Descriptors result;
  const Fd folder(
      open(("/proc/" + std::to_string(living_thread(pid)) + "/fd").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return result;
  OpenFiles files;
  for (const int number : numbers) {
    if (number >= 0 && !result.contains(number)) read_link(folder.get(), number, result, files);
  }
  add_peers(pid, files, add_sockets(pid, files, result), result);
  return result;
}

std::optional<std::vector<int>> epoll_descriptors_of(pid_t pid) {
  DIR* dir = opendir(("/proc/" + std::to_string(living_thread(pid)) + "/fd").c_str());
  if (dir == nullptr) return std::nullopt;
  std::vector<int> found;
  std::array<char, 64> text;
  while (const dirent* entry = readdir(dir)) {
    const ssize_t size = readlinkat(dirfd(dir), entry->d_name, text.data(), text.size());
    if (size < 0 || std::string_view(text.data(), static_cast<std::size_t>(size)) != kEpollLink) continue;
    int fd = -1;
    const std::string_view name(entry->d_name);
    if (std::from_chars(name.data(), name.data() + name.size(), fd).ec == std::errc{}) found.push_back(fd);
  }
  closedir(dir);
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace netpoll::probes
