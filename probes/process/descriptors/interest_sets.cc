// Joins the lists of /proc/PID/fdinfo/EPFD with the process's descriptors.
#include "probes/process/descriptors/interest_sets.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "libruntime/base/epoll_list.h"
#include "netpoll/fd.h"
#include "probes/process/descriptors/own_links.h"
#include "probes/process/descriptors/sockets.h"
#include "probes/process/memory.h"
#include "probes/process/proc_status.h"
#include "probes/process/subject.h"

namespace netpoll::probes {
namespace {

// struct epoll_params and EPIOCGPARAMS of <linux/eventpoll.h>, which older headers lack.
struct EpollParams {
  std::uint32_t usecs;
  std::uint16_t budget;
  std::uint8_t prefer;
  std::uint8_t pad;
};
constexpr unsigned long kGetParams = _IOR(0x8A, 0x02, EpollParams);

// The open flags of a descriptor, "flags:\t02004002" in octal, which is the second line of its file in the folder
// fdinfo (proc_pid_fdinfo(5)). A duplicate by pidfd_getfd(2) would tell them in a third of the time, but it keeps the
// file open: where the target closes its number meanwhile, the registration stays, and the target gets events of a
// connection that it has freed.
std::optional<unsigned> open_flags(int folder, int fd) {
  const Fd file(openat(folder, std::to_string(fd).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  std::array<char, 128> text;
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  const std::string_view lines(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t label = lines.find("flags:");
  const std::size_t digits = lines.find_first_of("01234567", label);
  if (label == std::string_view::npos || digits == std::string_view::npos) return std::nullopt;
  unsigned flags = 0;
  if (std::from_chars(lines.data() + digits, lines.data() + lines.size(), flags, 8).ec != std::errc{}) {
    return std::nullopt;
  }
  return flags;
}

// Whether two descriptors are one open file (kcmp(2)); false where that may not be asked.
bool same_file(pid_t a, int a_fd, pid_t b, int b_fd) { return syscall(SYS_kcmp, a, b, KCMP_FILE, a_fd, b_fd) == 0; }

class Reading {
 public:
  Reading(Subject& subject, pid_t pid)
      : subject_(subject),
        pid_(pid),
        links_(pid),
        fdinfo_(open(("/proc/" + std::to_string(living_thread(pid)) + "/fdinfo").c_str(),
                     O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

  OwnLinks& links() { return links_; }

  void read(int epfd) {
    auto registrations = subject_.registrations(epfd);
    if (!registrations) return;
    InterestSet set{.pid = pid_, .epfd = epfd, .entries = {}, .waiting_threads = {}, .shared_with = {}};
    set.entries.reserve(registrations->size());
    for (const Registration& r : *registrations) set.entries.push_back(entry_of(r));
    std::sort(set.entries.begin(), set.entries.end(),
              [](const InterestEntry& a, const InterestEntry& b) { return a.fd < b.fd; });
    sets_.push_back(std::move(set));
  }

  std::vector<InterestSet> finish(Ends ends) {
    add_files(ends);
    add_waiting_threads();
    add_busy_poll();
    return std::move(sets_);
  }

 private:
  static InterestEntry entry_of(const Registration& r) {
    InterestEntry entry;
    entry.fd = r.fd;
    entry.events = r.events;
    entry.data = r.data;
    entry.inode = r.inode;
    return entry;
  }

  template <typename F>
  void each_entry(F&& f) {
    for (InterestSet& set : sets_) {
      for (InterestEntry& entry : set.entries) f(entry);
    }
  }

  NumberState state_of(const InterestEntry& e) {
    switch (links_.look_at(e.fd, e.inode)) {
      case OwnLinks::Number::kClosed:
        return NumberState::kClosed;
      case OwnLinks::Number::kOther:
        return NumberState::kReused;
      case OwnLinks::Number::kSame:
        break;
    }
    return NumberState::kSame;
  }

  // Of a file that the number does not stand for any more. Only sockets can be found by the inode that the list gives:
  // those of anonymous files are all the same.
  static std::optional<FileKey> lost_file(const InterestEntry& e) {
    if (e.state == NumberState::kSame || !e.inode) return std::nullopt;
    return FileKey{.kind = FileKey::Kind::kSocket, .device = 0, .inode = *e.inode};
  }

  // What the numbers stand for, and who has the files that they do not stand for any more, and the instances: one
  // number may be registered with several instances.
  void add_files(Ends ends) {
    if (sets_.empty()) return;
    std::vector<int> numbers;
    const FileKey instances{.kind = FileKey::Kind::kEpoll, .device = 0, .inode = 0};
    FileKeys keys;
    if (ends == Ends::kBoth) keys.insert(instances);
    each_entry([&](InterestEntry& e) {
      e.state = state_of(e);
      if (e.state == NumberState::kSame) numbers.push_back(e.fd);
      if (const auto lost = lost_file(e)) keys.insert(*lost);
    });
    OwnLinks::Described files = links_.describe(numbers, keys, ends);
    std::unordered_map<int, std::optional<bool>> nonblocking;
    each_entry([&](InterestEntry& e) {
      if (const auto lost = lost_file(e)) {
        const auto found = files.holders.find(*lost);
        if (found == files.holders.end()) return;
        for (const Holder& holder : found->second) e.holders.push_back(holder.process);
        return;
      }
      const auto found = files.descriptors.find(e.fd);
      if (e.state != NumberState::kSame || found == files.descriptors.end()) return;
      e.file = found->second;
      e.is_epoll = e.file.local == kEpollLink;
      const auto [known, first] = nonblocking.try_emplace(e.fd);
      if (const auto flags = first ? open_flags(fdinfo_.get(), e.fd) : std::nullopt) {
        known->second = (*flags & O_NONBLOCK) != 0;
      }
      e.nonblocking = known->second;
    });
    add_sharers(files.holders[instances]);
  }

  void add_sharers(const std::vector<Holder>& epoll_descriptors) {
    for (const auto& [other, mode] : epoll_descriptors) {
      for (InterestSet& set : sets_) {
        if ((other.pid == pid_ && other.fd == set.epfd) || !same_file(pid_, set.epfd, other.pid, other.fd)) continue;
        set.shared_with.push_back(other);
      }
    }
  }

  // By a duplicate of the instance, which is closed at once: nothing in /proc has it.
  void add_busy_poll() {
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!process.valid()) return;
    for (InterestSet& set : sets_) {
      const Fd instance(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), set.epfd, 0)));
      EpollParams params{};
      if (!instance.valid() || ::ioctl(instance.get(), kGetParams, &params) != 0) continue;
      set.busy_poll = BusyPoll{params.usecs, params.budget, params.prefer != 0};
    }
  }

  void add_waiting_threads() {
    for (const pid_t tid : thread_ids(pid_)) {
      const auto call = subject_.thread_call(tid);
      if (!call) continue;
      const bool waits = call->number == SYS_epoll_pwait || call->number == SYS_epoll_pwait2
#ifdef SYS_epoll_wait
                         || call->number == SYS_epoll_wait
#endif
          ;
      if (!waits) continue;
      for (InterestSet& set : sets_) {
        if (call->args[0] == static_cast<std::uint64_t>(set.epfd)) set.waiting_threads.push_back(tid);
      }
    }
  }

  Subject& subject_;
  pid_t pid_;
  OwnLinks links_;
  Fd fdinfo_;
  std::vector<InterestSet> sets_;
};

}  // namespace

bool InterestEntry::armed() const { return (events & (EPOLLERR | EPOLLHUP)) != 0; }

Result<Pollers> read_interest_sets(pid_t pid, Ends ends) {
  auto subject = make_live_subject(pid);
  if (!subject) return std::move(subject).error();
  Reading reading(**subject, pid);
  if (!reading.links().readable()) return process_error(pid, EACCES);
  for (const int epfd : reading.links().epoll_descriptors()) reading.read(epfd);
  std::vector<UringInstance> rings = uring_instances(pid, reading.links().io_uring_descriptors());
  return Pollers{.sets = reading.finish(ends), .rings = std::move(rings)};
}

std::vector<InterestSet> read_queues_again(std::span<const InterestSet> sets,
                                           const std::function<bool(const InterestEntry&)>& which) {
  using Chosen = std::map<std::pair<int, std::uint64_t>, const InterestEntry*>;  // by number and inode
  std::map<pid_t, Inodes> inodes;
  std::vector<std::pair<const InterestSet*, Chosen>> looks;
  for (const InterestSet& set : sets) {
    Chosen chosen;
    for (const InterestEntry& e : set.entries) {
      if (!e.inode || !which(e)) continue;
      chosen[{e.fd, *e.inode}] = &e;
      inodes[set.pid].insert(*e.inode);
    }
    if (!chosen.empty()) looks.emplace_back(&set, std::move(chosen));
  }
  std::map<pid_t, SocketTable> sockets;
  for (const auto& [pid, wanted] : inodes) {
    if (auto found = find_sockets(pid, wanted, Ends::kOwn)) sockets[pid] = std::move(*found);
  }
  std::vector<InterestSet> again;
  for (const auto& [set, chosen] : looks) {
    const SocketTable& table = sockets[set->pid];
    InterestSet now;
    now.pid = set->pid;
    now.epfd = set->epfd;
    base::EpollList list(std::to_string(living_thread(set->pid)), set->epfd);
    while (const auto r = list.next()) {
      const auto before = r->inode ? chosen.find({r->fd, *r->inode}) : chosen.end();
      const auto socket = r->inode ? table.find(*r->inode) : table.end();
      if (before == chosen.end() || before->second->data != r->data || socket == table.end()) continue;
      InterestEntry entry;
      entry.fd = r->fd;
      entry.events = r->events;
      entry.data = r->data;
      entry.inode = r->inode;
      set_socket(socket->second, entry.file);
      now.entries.push_back(std::move(entry));
    }
    std::sort(now.entries.begin(), now.entries.end(),
              [](const InterestEntry& a, const InterestEntry& b) { return a.fd < b.fd; });
    if (!now.entries.empty()) again.push_back(std::move(now));
  }
  return again;
}

}  // namespace netpoll::probes
