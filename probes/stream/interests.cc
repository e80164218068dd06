// Keeps the registrations of epoll instances by the word they were given.
#include "probes/stream/interests.h"

#include <sys/epoll.h>

#include "probes/process/subject.h"

namespace netpoll::probes {
namespace {

constexpr int kSeveral = -1;

}  // namespace

void Interests::load(pid_t pid) {
  auto subject = make_live_subject(pid);
  if (!subject) return;
  const auto instances = (*subject)->epoll_descriptors();
  if (!instances) return;
  for (const int epfd : *instances) {
    const auto registrations = (*subject)->registrations(epfd);
    if (!registrations) continue;
    Set& set = processes_[pid][epfd];
    for (const Registration& registration : *registrations) add(set, registration.fd, registration.data);
  }
}

void Interests::add(Set& set, int fd, std::uint64_t data) {
  remove(set, fd);
  set.data_of[fd] = data;
  const auto [at, fresh] = set.fd_of.try_emplace(data, fd);
  if (!fresh && at->second != fd) at->second = kSeveral;
}

void Interests::remove(Set& set, int fd) {
  const auto known = set.data_of.find(fd);
  if (known == set.data_of.end()) return;
  const auto at = set.fd_of.find(known->second);
  if (at != set.fd_of.end() && at->second == fd) set.fd_of.erase(at);
  set.data_of.erase(known);
}

void Interests::ctl(pid_t pid, int epfd, int op, int fd, std::uint64_t data) {
  Set& set = processes_[pid][epfd];
  if (op == EPOLL_CTL_DEL) {
    remove(set, fd);
  } else {
    add(set, fd, data);
  }
}

int Interests::find(pid_t pid, int epfd, std::uint64_t data) const {
  const auto process = processes_.find(pid);
  if (process == processes_.end()) return -1;
  const auto set = process->second.find(epfd);
  if (set == process->second.end()) return -1;
  const auto at = set->second.fd_of.find(data);
  return at != set->second.fd_of.end() ? at->second : -1;
}

void Interests::closed(pid_t pid, int fd) {
  const auto process = processes_.find(pid);
  if (process == processes_.end()) return;
  process->second.erase(fd);
  for (auto& [epfd, set] : process->second) remove(set, fd);
}

void Interests::forked(pid_t parent, pid_t child) {
  const auto known = processes_.find(parent);
  if (known == processes_.end()) return;
  auto copy = known->second;
  processes_[child] = std::move(copy);
}

void Interests::forget_process(pid_t pid) { processes_.erase(pid); }

}  // namespace netpoll::probes
