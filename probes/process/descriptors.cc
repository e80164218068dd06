// Joins the links of /proc/PID/fd with the kernel's tables of sockets and with the processes at the other ends.
#include "probes/process/descriptors.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <unordered_set>
#include <utility>

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

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

// All descriptors of the target's, each of whose links is read once: a process may have many thousands.
class OwnLinks {
 public:
  OwnLinks(pid_t pid, SocketFinder& sockets)
      : sockets_(sockets), dir_(opendir(("/proc/" + std::to_string(living_thread(pid)) + "/fd").c_str())) {}

  // Enters what the wanted ones are into result, and those of them that are sockets, pipes and FIFOs into files.
  void read(const std::unordered_set<int>& wanted, Descriptors& result, OpenFiles& files) {
    if (dir_ == nullptr) return;
    std::array<char, 256> text;
    while (const dirent* entry = readdir(dir_.get())) {
      int number = -1;
      const std::string_view name(entry->d_name);
      if (std::from_chars(name.data(), name.data() + name.size(), number).ec != std::errc{}) continue;
      const ssize_t size = readlinkat(folder(), entry->d_name, text.data(), text.size());
      if (size < 0) continue;
      const std::string_view link(text.data(), static_cast<std::size_t>(size));
      const auto key = key_of(link, entry->d_name, wanted.contains(number));
      if (key) held_.emplace_back(number, *key);
      if (wanted.contains(number)) enter(number, entry->d_name, link, key, result, files);
    }
  }

  // Adds those that have one of the files open to holders.
  void add_holders(pid_t pid, const FileKeys& files, Holders& holders) const {
    std::string comm;
    for (const auto& [number, key] : held_) {
      if (!files.contains(key)) continue;
      if (comm.empty()) comm = comm_of(pid);
      const AccessMode mode = key.kind == FileKey::Kind::kSocket
                                  ? AccessMode{.reads = true, .writes = true}
                                  : access_mode(folder(), std::to_string(number).c_str());
      holders[key].push_back({.process = {.pid = pid, .comm = comm, .fd = number}, .mode = mode});
    }
  }

 private:
  int folder() const { return dirfd(dir_.get()); }

  // A path may be a FIFO, both ends of which the target may have. look: ask for other files what they are, too.
  std::optional<FileKey> key_of(std::string_view link, const char* name, bool look) {
    if (auto key = key_of_link(link)) return key;
    if (!link.starts_with('/') && !look) return std::nullopt;
    status_ = {};
    if (fstatat(folder(), name, &status_, 0) != 0 || !S_ISFIFO(status_.st_mode)) return std::nullopt;
    return FileKey{.kind = FileKey::Kind::kFifo, .device = status_.st_dev, .inode = status_.st_ino};
  }

  void enter(int number, const char* name, std::string_view link, const std::optional<FileKey>& key,
             Descriptors& result, OpenFiles& files) {
    DescriptorInfo& info = result[number];
    info.kind = "other";
    info.local = std::string(link);
    info.inode = key ? key->inode : status_.st_ino;
    if (!key) return;
    OpenFile file{.key = *key};
    if (key->kind != FileKey::Kind::kSocket) {
      info.kind = "pipe";
      file.mode = access_mode(folder(), name);
    }
    // While the other links are read.
    if (key->kind == FileKey::Kind::kSocket) sockets_.read_ahead();
    files.emplace(number, file);
  }

  SocketFinder& sockets_;
  std::unique_ptr<DIR, CloseDir> dir_;
  struct stat status_ {};  // of the last that is no socket and no pipe
  std::vector<std::pair<int, FileKey>> held_;
};

// Fills in what the kernel's tables say, and returns for each descriptor the file at its other end.
std::unordered_map<int, FileKey> add_sockets(SocketFinder& finder, const OpenFiles& files, Descriptors& result) {
  std::unordered_map<int, FileKey> other_ends;
  Inodes inodes;
  for (const auto& [number, file] : files) {
    if (file.key.kind == FileKey::Kind::kSocket) {
      inodes.insert(file.key.inode);
    } else {
      other_ends[number] = file.key;
    }
  }
  auto sockets = finder.find(inodes);
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

void add_peers(pid_t pid, const OwnLinks& own, const OpenFiles& files,
               const std::unordered_map<int, FileKey>& other_ends, Descriptors& result) {
  FileKeys keys;
  for (const auto& [number, key] : other_ends) keys.insert(key);
  Holders holders = find_holders(keys, pid);
  own.add_holders(pid, keys, holders);
  for (const auto& [number, key] : other_ends) {
    const auto found = holders.find(key);
    if (found == holders.end()) continue;
    const AccessMode mode = files.at(number).mode;
    auto& peers = result[number].peer_processes;
    for (const Holder& holder : found->second) {
      // Both ends of a pipe are one file: who reads has whoever writes at the other end.
      const bool opposite = (mode.reads && holder.mode.writes) || (mode.writes && holder.mode.reads);
      const bool itself = holder.process.pid == pid && holder.process.fd == number;
      if (opposite && !itself) peers.push_back(holder.process);
    }
    std::sort(peers.begin(), peers.end(), [](const trace::PeerProcess& a, const trace::PeerProcess& b) {
      return a.pid != b.pid ? a.pid < b.pid : a.fd < b.fd;
    });
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
  OpenFiles files;
  SocketFinder sockets(pid);
  OwnLinks own(pid, sockets);
  own.read({numbers.begin(), numbers.end()}, result, files);
  add_peers(pid, own, files, add_sockets(sockets, files, result), result);
  return result;
}

namespace {

// As each_epoll_descriptor(), of those whose link in /proc/PID/fd is this text.
bool each_linked_to(pid_t pid, std::string_view link, const std::function<bool(int)>& visit) {
  const std::unique_ptr<DIR, CloseDir> dir(opendir(("/proc/" + std::to_string(living_thread(pid)) + "/fd").c_str()));
  if (dir == nullptr) return false;
  std::array<char, 64> text;
  while (const dirent* entry = readdir(dir.get())) {
    const ssize_t size = readlinkat(dirfd(dir.get()), entry->d_name, text.data(), text.size());
    if (size < 0 || std::string_view(text.data(), static_cast<std::size_t>(size)) != link) continue;
    int fd = -1;
    const std::string_view name(entry->d_name);
    if (std::from_chars(name.data(), name.data() + name.size(), fd).ec != std::errc{}) continue;
    if (!visit(fd)) return true;
  }
  return true;
}

}  // namespace

bool each_epoll_descriptor(pid_t pid, const std::function<bool(int)>& visit) {
  return each_linked_to(pid, kEpollLink, visit);
}

std::optional<bool> has_io_uring(pid_t pid) {
  bool found = false;
  const auto visit = [&found](int) {
    found = true;
    return false;
  };
  if (!each_linked_to(pid, "anon_inode:[io_uring]", visit)) return std::nullopt;
  return found;
}

std::optional<std::vector<int>> epoll_descriptors_of(pid_t pid) {
  std::vector<int> found;
  const auto visit = [&found](int fd) {
    found.push_back(fd);
    return true;
  };
  if (!each_epoll_descriptor(pid, visit)) return std::nullopt;
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace netpoll::probes
