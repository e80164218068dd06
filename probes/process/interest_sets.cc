// Joins the lists of /proc/PID/fdinfo/EPFD with the process's descriptors.
#include "probes/process/interest_sets.h"

#include <dirent.h>
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
#include <fstream>
#include <string>

#include "netpoll/fd.h"
#include "probes/process/peers.h"
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

// The open flags of a descriptor, "flags:\t02004002" in octal (proc_pid_fdinfo(5)).
std::optional<unsigned> open_flags(const std::string& proc, int fd) {
  std::ifstream file(proc + "/fdinfo/" + std::to_string(fd));
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags:")) continue;
    const char* digits = line.c_str() + line.find_first_of("01234567");
    unsigned flags = 0;
    if (std::from_chars(digits, line.c_str() + line.size(), flags, 8).ec == std::errc{}) return flags;
  }
  return std::nullopt;
}

// Whether two descriptors are one open file (kcmp(2)); false where that may not be asked.
bool same_file(pid_t a, int a_fd, pid_t b, int b_fd) { return syscall(SYS_kcmp, a, b, KCMP_FILE, a_fd, b_fd) == 0; }

struct EpollDescriptor {
  pid_t pid;
  int fd;
};

// Every epoll descriptor of every process that we may look at.
std::vector<EpollDescriptor> all_epoll_descriptors() {
  std::vector<EpollDescriptor> found;
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return found;
  while (const dirent* entry = readdir(proc)) {
    pid_t pid = -1;
    const std::string_view name(entry->d_name);
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{}) continue;
    for (const int fd : epoll_descriptors_of(pid).value_or(std::vector<int>())) found.push_back({pid, fd});
  }
  closedir(proc);
  return found;
}

class Reading {
 public:
  Reading(Subject& subject, pid_t pid)
      : subject_(subject),
        pid_(pid),
        proc_("/proc/" + std::to_string(living_thread(pid))),
        folder_(open((proc_ + "/fd").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

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

  std::vector<InterestSet> finish() {
    add_files();
    add_holders();
    add_waiting_threads();
    add_busy_poll();
    add_sharers();
    return std::move(sets_);
  }

 private:
  InterestEntry entry_of(const Registration& r) {
    InterestEntry entry;
    entry.fd = r.fd;
    entry.events = r.events;
    entry.data = r.data;
    entry.inode = r.inode;
    const std::string name = std::to_string(r.fd);
    struct stat file {};
    if (fstatat(folder_.get(), name.c_str(), &file, 0) != 0) {
      // A number that we may not look at is not a closed one.
      entry.state = errno == ENOENT ? NumberState::kClosed : NumberState::kSame;
      return entry;
    }
    if (r.inode && *r.inode != file.st_ino) {
      entry.state = NumberState::kReused;
      return entry;
    }
    std::array<char, 64> link;
    const ssize_t size = readlinkat(folder_.get(), name.c_str(), link.data(), link.size());
    entry.is_epoll = size > 0 && std::string_view(link.data(), static_cast<std::size_t>(size)) == kEpollLink;
    if (const auto flags = open_flags(proc_, r.fd)) entry.nonblocking = (*flags & O_NONBLOCK) != 0;
    return entry;
  }

  template <typename F>
  void each_entry(F&& f) {
    for (InterestSet& set : sets_) {
      for (InterestEntry& entry : set.entries) f(entry);
    }
  }

  void add_files() {
    std::vector<int> numbers;
    each_entry([&](const InterestEntry& e) {
      if (e.state == NumberState::kSame) numbers.push_back(e.fd);
    });
    const Descriptors descriptors = subject_.describe(numbers);
    each_entry([&](InterestEntry& e) {
      const auto found = e.state == NumberState::kSame ? descriptors.find(e.fd) : descriptors.end();
      if (found != descriptors.end()) e.file = found->second;
    });
  }

  // Only sockets can be found by the inode that the list gives: those of anonymous files are all the same.
  void add_holders() {
    FileKeys keys;
    const auto key_of = [](const InterestEntry& e) {
      return FileKey{.kind = FileKey::Kind::kSocket, .device = 0, .inode = *e.inode};
    };
    each_entry([&](const InterestEntry& e) {
      if (e.state != NumberState::kSame && e.inode) keys.insert(key_of(e));
    });
    const Holders holders = find_holders(keys);
    each_entry([&](InterestEntry& e) {
      if (e.state == NumberState::kSame || !e.inode) return;
      const auto found = holders.find(key_of(e));
      if (found == holders.end()) return;
      for (const Holder& holder : found->second) e.holders.push_back(holder.process);
    });
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

  void add_sharers() {
    if (sets_.empty()) return;
    for (const EpollDescriptor& other : all_epoll_descriptors()) {
      for (InterestSet& set : sets_) {
        if ((other.pid == pid_ && other.fd == set.epfd) || !same_file(pid_, set.epfd, other.pid, other.fd)) continue;
        set.shared_with.push_back({.pid = other.pid, .comm = comm_of(other.pid), .fd = other.fd});
      }
    }
  }

  Subject& subject_;
  pid_t pid_;
  std::string proc_;
  Fd folder_;
  std::vector<InterestSet> sets_;
};

}  // namespace

bool InterestEntry::armed() const { return (events & (EPOLLERR | EPOLLHUP)) != 0; }

Result<std::vector<InterestSet>> read_interest_sets(pid_t pid) {
  auto subject = make_live_subject(pid);
  if (!subject) return std::move(subject).error();
  const auto epfds = (*subject)->epoll_descriptors();
  if (!epfds) return process_error(pid, EACCES);
  Reading reading(**subject, pid);
  for (const int epfd : *epfds) reading.read(epfd);
  return reading.finish();
}

}  // namespace netpoll::probes
