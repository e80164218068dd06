// Joins the links of /proc/PID/fd with the kernel's tables of sockets and with the processes at the other ends.
#include "probes/process/own_links.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "probes/process/proc_status.h"
#include "probes/process/sockets.h"

namespace netpoll::probes {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

// Fills in what the kernel's tables say, and returns for each descriptor the file at its other end, where `ends` wants
// it.
std::unordered_map<int, FileKey> add_sockets(SocketFinder& finder, const std::unordered_map<int, FileKey>& files,
                                             Ends ends, Descriptors& result) {
  std::unordered_map<int, FileKey> other_ends;
  Inodes inodes;
  for (const auto& [number, key] : files) {
    if (key.kind == FileKey::Kind::kSocket) {
      inodes.insert(key.inode);
    } else if (key.kind != FileKey::Kind::kEpoll && ends == Ends::kBoth) {
      other_ends[number] = key;
    }
  }
  auto sockets = finder.find(inodes, ends);
  for (const auto& [number, key] : files) {
    if (key.kind != FileKey::Kind::kSocket) continue;
    DescriptorInfo& info = result[number];
    if (!sockets) {
      // It is a socket, but the tables that say which are not to be read.
      info = {};
      info.inode = key.inode;
      continue;
    }
    const auto found = sockets->find(key.inode);
    if (found == sockets->end()) continue;
    const SocketInfo& s = found->second;  // of several descriptors, where they are duplicates
    set_socket(s, info);
    if (s.peer_inode != 0) other_ends[number] = {.kind = FileKey::Kind::kSocket, .inode = s.peer_inode};
  }
  return other_ends;
}

}  // namespace

// The links, and what is known of the numbers.
class OwnLinks::State {
 public:
  explicit State(pid_t of)
      : pid(of), sockets(of), dir_(opendir(("/proc/" + std::to_string(living_thread(of)) + "/fd").c_str())) {
    if (dir_ == nullptr) return;
    while (const dirent* entry = readdir(dir_.get())) {
      int number = -1;
      const std::string_view name(entry->d_name);
      if (std::from_chars(name.data(), name.data() + name.size(), number).ec == std::errc{}) {
        read(number, entry->d_name);
      }
    }
  }

  bool readable() const { return dir_ != nullptr; }

  // Enters what a number is now; false with errno where it is nothing.
  bool read(int number, const char* name) {
    result.erase(number);
    files.erase(number);
    std::array<char, 256> text;
    const ssize_t size = readlinkat(folder(), name, text.data(), text.size());
    if (size < 0) return false;
    const std::string_view link(text.data(), static_cast<std::size_t>(size));
    DescriptorInfo& info = result[number];
    info.kind = "other";
    info.local = std::string(link);
    auto key = key_of_link(link);
    if (!key || key->kind == FileKey::Kind::kEpoll) {
      // The inode, and whether a path is a FIFO, both ends of which the target may have.
      struct stat file {};
      if (fstatat(folder(), name, &file, 0) == 0) {
        info.inode = file.st_ino;
        if (S_ISFIFO(file.st_mode)) {
          key = FileKey{.kind = FileKey::Kind::kFifo, .device = file.st_dev, .inode = file.st_ino};
        }
      }
    } else {
      info.inode = key->inode;
    }
    if (key) files[number] = *key;
    // While the other links are read.
    if (key && key->kind == FileKey::Kind::kSocket) sockets.read_ahead();
    if (key && (key->kind == FileKey::Kind::kPipe || key->kind == FileKey::Kind::kFifo)) info.kind = "pipe";
    return true;
  }

  // Adds those that have one of the files open to holders.
  void add_holders(const FileKeys& wanted, Holders& holders) const {
    std::string comm;
    for (const auto& [number, key] : files) {
      if (!wanted.contains(key)) continue;
      if (comm.empty()) comm = comm_of(pid);
      holders[key].push_back({.process = {.pid = pid, .comm = comm, .fd = number}, .mode = mode_of(number)});
    }
  }

  // Of a file among `files`.
  AccessMode mode_of(int number) const {
    const FileKey::Kind kind = files.at(number).kind;
    if (kind == FileKey::Kind::kSocket || kind == FileKey::Kind::kEpoll) return {.reads = true, .writes = true};
    return access_mode(folder(), std::to_string(number).c_str());
  }

  const pid_t pid;
  SocketFinder sockets;
  Descriptors result;
  std::unordered_map<int, FileKey> files;  // those of them that are sockets, pipes, FIFOs and epoll instances

 private:
  int folder() const { return dirfd(dir_.get()); }

  std::unique_ptr<DIR, CloseDir> dir_;
};

OwnLinks::OwnLinks(pid_t pid) : state_(std::make_unique<State>(pid)) {}
OwnLinks::~OwnLinks() = default;

bool OwnLinks::readable() const { return state_->readable(); }

std::vector<int> OwnLinks::epoll_descriptors() const {
  std::vector<int> found;
  for (const auto& [number, key] : state_->files) {
    if (key.kind == FileKey::Kind::kEpoll) found.push_back(number);
  }
  std::sort(found.begin(), found.end());
  return found;
}

OwnLinks::Number OwnLinks::look_at(int number, std::optional<std::uint64_t> inode) {
  const auto is_it = [&] {
    const auto found = state_->result.find(number);
    return found != state_->result.end() && (!inode || !found->second.inode || *found->second.inode == *inode);
  };
  if (is_it()) return Number::kSame;
  // A number that we may not look at is not a closed one.
  if (!state_->read(number, std::to_string(number).c_str())) return errno == ENOENT ? Number::kClosed : Number::kSame;
  return is_it() ? Number::kSame : Number::kOther;
}

OwnLinks::Described OwnLinks::describe(const std::vector<int>& numbers, const FileKeys& also, Ends ends) {
  Described described;
  Descriptors& result = described.descriptors;
  std::unordered_map<int, FileKey> files;
  for (const int number : numbers) {
    const auto found = state_->result.find(number);
    if (found == state_->result.end()) continue;
    if (!result.try_emplace(number, found->second).second) continue;
    if (const auto file = state_->files.find(number); file != state_->files.end()) files.insert(*file);
  }
  const auto other_ends = add_sockets(state_->sockets, files, ends, result);
  FileKeys keys = also;
  for (const auto& [number, key] : other_ends) keys.insert(key);
  Holders& holders = described.holders = find_holders(keys, state_->pid);
  state_->add_holders(keys, holders);
  for (const auto& [number, key] : other_ends) {
    const auto found = holders.find(key);
    if (found == holders.end()) continue;
    const AccessMode mode = state_->mode_of(number);
    auto& peers = result[number].peer_processes;
    for (const Holder& holder : found->second) {
      // Both ends of a pipe are one file: who reads has whoever writes at the other end.
      const bool opposite = (mode.reads && holder.mode.writes) || (mode.writes && holder.mode.reads);
      const bool itself = holder.process.pid == state_->pid && holder.process.fd == number;
      if (opposite && !itself) peers.push_back(holder.process);
    }
    std::sort(peers.begin(), peers.end(), [](const trace::PeerProcess& a, const trace::PeerProcess& b) {
      return a.pid != b.pid ? a.pid < b.pid : a.fd < b.fd;
    });
  }
  return described;
}

Descriptors describe_descriptors(pid_t pid, const std::vector<int>& numbers, Ends ends) {
  return OwnLinks(pid).describe(numbers, {}, ends).descriptors;
}

}  // namespace netpoll::probes
