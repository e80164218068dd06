// Interests: which descriptor a poller means by the word that it reports.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <unordered_map>

namespace netpoll::probes {

// What each epoll instance was told: the word of a registration is the program's own, a pointer more often than a
// number. Learned from /proc at the beginning and from epoll_ctl(2) afterwards. One thread at a time.
class Interests {
 public:
  // The registrations that exist.
  void load(pid_t pid);
  // A call of epoll_ctl that succeeded.
  void ctl(pid_t pid, int epfd, int op, int fd, std::uint64_t data);
  // -1: unknown, or several registrations have the word.
  int find(pid_t pid, int epfd, std::uint64_t data) const;

  // fd is another file from now on, or none; a closed file leaves the interest sets by itself, unless somebody else
  // has it open.
  void closed(pid_t pid, int fd);
  void forked(pid_t parent, pid_t child);
  void forget_process(pid_t pid);

 private:
  struct Set {
    std::unordered_map<std::uint64_t, int> fd_of;
    std::unordered_map<int, std::uint64_t> data_of;
  };
  static void add(Set& set, int fd, std::uint64_t data);
  static void remove(Set& set, int fd);

  std::unordered_map<pid_t, std::unordered_map<int, Set>> processes_;  // by pid, then epfd
};

}  // namespace netpoll::probes
