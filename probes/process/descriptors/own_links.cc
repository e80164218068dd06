// Joins the links of /proc/PID/fd with the kernel's tables of sockets and with the processes at the other ends.
#include "probes/process/descriptors/own_links.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <unordered_map>
#include <utility>

#include "probes/process/descriptors/links.h"
#include "probes/process/descriptors/sockets.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

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
  struct Own {
    DescriptorLink link;
    std::optional<std::uint64_t> inode;
  };

  State(pid_t of, std::unique_ptr<SocketFinder> finder)
      : pid(of), sockets(finder ? std::move(finder) : std::make_unique<SocketFinder>(of)), dir_(open_links(of)) {
    if (dir_ == nullptr) return;
    const std::vector<int> numbers = list_numbers(dir_.get());
    if (numbers.size() >= kMany) sockets->read_ahead();  // while the links are read
    links.reserve(numbers.size());
    for (DescriptorLink& link : read_links(folder(), numbers)) enter(std::move(link));
  }

  bool readable() const { return dir_ != nullptr; }

  // In order.
  std::vector<int> numbers_that(bool (*wanted)(const DescriptorLink&)) const {
    std::vector<int> found;
    for (const auto& [number, own] : links) {
      if (wanted(own.link)) found.push_back(number);
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  // Enters what a number is now; false with errno where it is nothing.
  bool read(int number) {
    links.erase(number);
    auto link = read_link(folder(), number);
    if (!link) return false;
    enter(std::move(*link));
    return true;
  }

  // Adds those that have one of the files open to holders.
  void add_holders(const FileKeys& wanted, Holders& holders) const {
    std::string comm;
    for (const auto& [number, own] : links) {
      if (!own.link.key || !wanted.contains(*own.link.key)) continue;
      if (comm.empty()) comm = comm_of(pid);
      holders[*own.link.key].push_back(
          {.process = {.pid = pid, .comm = comm, .fd = number}, .mode = mode_of(number, *own.link.key)});
    }
  }

  AccessMode mode_of(int number, const FileKey& key) const {
    if (key.kind == FileKey::Kind::kSocket || key.kind == FileKey::Kind::kEpoll) return {.reads = true, .writes = true};
    return access_mode(folder(), std::to_string(number).c_str());
  }

  const pid_t pid;
  const std::unique_ptr<SocketFinder> sockets;
  std::unordered_map<int, Own> links;

 private:
  int folder() const { return dirfd(dir_.get()); }

  void enter(DescriptorLink link) {
    Own own{.link = std::move(link), .inode = {}};
    auto& key = own.link.key;
    if (!key || key->kind == FileKey::Kind::kEpoll) {
      // The inode, and whether a path is a FIFO, both ends of which the target may have.
      struct stat file {};
      if (fstatat(folder(), std::to_string(own.link.number).c_str(), &file, 0) == 0) {
        own.inode = file.st_ino;
        if (S_ISFIFO(file.st_mode)) {
          key = FileKey{.kind = FileKey::Kind::kFifo, .device = file.st_dev, .inode = file.st_ino};
        }
      }
    } else {
      own.inode = key->inode;
    }
    const int number = own.link.number;
    links.insert_or_assign(number, std::move(own));
  }

  Dir dir_;
};

OwnLinks::OwnLinks(pid_t pid, std::unique_ptr<SocketFinder> sockets)
    : state_(std::make_unique<State>(pid, std::move(sockets))) {}
OwnLinks::~OwnLinks() = default;

bool OwnLinks::readable() const { return state_->readable(); }

std::vector<int> OwnLinks::epoll_descriptors() const {
  return state_->numbers_that(
      [](const DescriptorLink& link) { return link.key && link.key->kind == FileKey::Kind::kEpoll; });
}

std::vector<int> OwnLinks::io_uring_descriptors() const {
  return state_->numbers_that([](const DescriptorLink& link) { return link.path == kUringLink; });
}

OwnLinks::Number OwnLinks::look_at(int number, std::optional<std::uint64_t> inode) {
  const auto is_it = [&] {
    const auto found = state_->links.find(number);
    return found != state_->links.end() && (!inode || !found->second.inode || *found->second.inode == *inode);
  };
  if (is_it()) return Number::kSame;
  // A number that we may not look at is not a closed one.
  if (!state_->read(number)) return errno == ENOENT ? Number::kClosed : Number::kSame;
  return is_it() ? Number::kSame : Number::kOther;
}

OwnLinks::Described OwnLinks::describe(const std::vector<int>& numbers, const FileKeys& also, Ends ends) {
  Described described;
  Descriptors& result = described.descriptors;
  std::unordered_map<int, FileKey> files;
  for (const int number : numbers) {
    const auto found = state_->links.find(number);
    if (found == state_->links.end()) continue;
    const auto [entry, first] = result.try_emplace(number);
    if (!first) continue;
    const auto& [link, inode] = found->second;
    const bool is_pipe = link.key && (link.key->kind == FileKey::Kind::kPipe || link.key->kind == FileKey::Kind::kFifo);
    entry->second.kind = is_pipe ? "pipe" : "other";
    entry->second.local = link.text();
    entry->second.inode = inode;
    if (link.key) files.emplace(number, *link.key);
  }
  const auto other_ends = add_sockets(*state_->sockets, files, ends, result);
  FileKeys keys = also;
  for (const auto& [number, key] : other_ends) keys.insert(key);
  Holders& holders = described.holders = find_holders(keys, state_->pid);
  state_->add_holders(keys, holders);
  for (const auto& [number, key] : other_ends) {
    const auto found = holders.find(key);
    if (found == holders.end()) continue;
    const AccessMode mode = state_->mode_of(number, files.at(number));
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
