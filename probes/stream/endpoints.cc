// Joins numbers of descriptors with /proc/PID/fd and the kernel's tables of sockets.
#include "probes/stream/endpoints.h"

#include <dirent.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "probes/process/descriptors/descriptors.h"
#include "probes/process/descriptors/peers.h"
#include "probes/process/descriptors/sockets.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

const EndpointCache::Ref kNothing;

std::string fd_folder(pid_t pid) { return "/proc/" + std::to_string(living_thread(pid)) + "/fd"; }

// At most this part of the time is spent on looking up.
constexpr int kShare = 10;

std::string link_text(const std::string& path) {
  std::array<char, 512> text;
  const ssize_t size = ::readlink(path.c_str(), text.data(), text.size());
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

}  // namespace

void EndpointCache::load(pid_t pid) {
  DIR* dir = ::opendir(fd_folder(pid).c_str());
  if (dir == nullptr) return;
  std::unordered_set<int> fds;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name(entry->d_name);
    int fd = -1;
    if (std::from_chars(name.data(), name.data() + name.size(), fd).ec == std::errc{}) fds.insert(fd);
  }
  ::closedir(dir);
  look_up(pid, fds);
}

const EndpointCache::Ref& EndpointCache::find(pid_t pid, int fd) {
  if (fd < 0) return kNothing;
  auto& of_process = known_[pid];
  const auto found = of_process.find(fd);
  if (found != of_process.end()) return found->second;
  wanted_[pid].insert(fd);
  return kNothing;
}

void EndpointCache::look_up() {
  if (wanted_.empty()) return;
  const auto begin = std::chrono::steady_clock::now();
  if (begin < next_look_) return;
  for (const auto& [pid, fds] : std::exchange(wanted_, {})) look_up(pid, fds);
  const auto end = std::chrono::steady_clock::now();
  next_look_ = end + (end - begin) * kShare;
}

void EndpointCache::look_up(pid_t pid, const std::unordered_set<int>& fds) {
  const std::string folder = fd_folder(pid) + "/";
  std::unordered_map<int, std::uint64_t> sockets;
  Inodes inodes;
  auto& of_process = known_[pid];
  for (const int fd : fds) {
    const std::string link = link_text(folder + std::to_string(fd));
    if (link.empty()) {
      of_process[fd] = nullptr;  // closed: nothing will be found later either, until its number is used again
      continue;
    }
    const auto key = key_of_link(link);
    if (key && key->kind == FileKey::Kind::kSocket) {
      sockets[fd] = key->inode;
      inodes.insert(key->inode);
      continue;
    }
    const std::string kind = key ? "pipe" : link == kEpollLink ? "epoll" : "other";
    of_process[fd] = std::make_shared<trace::Endpoint>(trace::Endpoint{.kind = kind, .local = link, .peer = {}});
  }
  if (sockets.empty()) return;
  const auto found = find_sockets(pid, inodes, Ends::kOwn);
  for (const auto& [fd, inode] : sockets) {
    trace::Endpoint endpoint{.kind = "socket", .local = {}, .peer = {}};
    if (found) {
      if (const auto at = found->find(inode); at != found->end()) {
        endpoint = {.kind = std::string(at->second.kind), .local = at->second.local, .peer = at->second.peer};
      }
    }
    // What the target was told of a connection that is gone from the tables is better than nothing.
    Ref& known = of_process[fd];
    if (endpoint.peer.empty() && known && !known->peer.empty()) continue;
    known = std::make_shared<trace::Endpoint>(std::move(endpoint));
  }
}

void EndpointCache::set(pid_t pid, int fd, trace::Endpoint endpoint) {
  known_[pid][fd] = std::make_shared<trace::Endpoint>(std::move(endpoint));
}

void EndpointCache::forget(pid_t pid, int fd) {
  if (const auto of_process = known_.find(pid); of_process != known_.end()) of_process->second.erase(fd);
  if (const auto wanted = wanted_.find(pid); wanted != wanted_.end()) wanted->second.erase(fd);
}

void EndpointCache::forget_process(pid_t pid) {
  known_.erase(pid);
  wanted_.erase(pid);
}

void EndpointCache::forget_all() {
  known_.clear();
  wanted_.clear();
}

}  // namespace netpoll::probes
