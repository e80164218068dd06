// The rules, and what each looks for.
#include "probes/process/descriptors/epoll_findings.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <utility>

namespace netpoll::probes {
namespace {

enum Rule : std::size_t { kClosedFd, kReusedFd, kBlockingFd, kAlwaysWritable, kHangupOnly, kHerd, kNested, kUnread };

constexpr std::array kRules = {
    FindingRule{"closed-fd", "error", "the number is closed here, but the file is open elsewhere and keeps firing",
                "EPOLL_CTL_DEL before close, or close the descriptor in every process that inherited it"},
    FindingRule{"reused-fd", "error", "the number stands for another file now; events of the old one are taken for it",
                "EPOLL_CTL_DEL before close, or close the descriptor in every process that inherited it"},
    FindingRule{"blocking-fd", "warning", "a read or write after its event can block the whole loop",
                "set O_NONBLOCK before it is registered"},
    FindingRule{"always-writable", "error",
                "level-triggered EPOLLOUT on a socket with room: every wait returns at once",
                "ask for EPOLLOUT only while there is something left to write, or use EPOLLET"},
    FindingRule{"hangup-only", "warning", "neither EPOLLIN nor EPOLLOUT, level-triggered: a hang-up or error spins",
                "ask for an event that is handled, or remove the registration"},
    FindingRule{"accept-herd", "warning", "several instances wait for one listener, and a connection wakes all of them",
                "EPOLLEXCLUSIVE, or a listener of its own for each with SO_REUSEPORT"},
    FindingRule{"nested-epoll", "warning", "an epoll instance in another: each event is looked up twice",
                "register its files with the outer one, if nothing else depends on it"},
    FindingRule{"unread-data", "error", "bytes wait, the entry is armed, and nobody reads",
                "an edge-triggered reader must read until EAGAIN; look who should have woken"},
};

bool level(const InterestEntry& e) { return (e.events & (EPOLLET | EPOLLONESHOT)) == 0; }

std::string holders_text(const InterestEntry& e) {
  std::string text;
  for (const trace::PeerProcess& p : e.holders) {
    text += (text.empty() ? "" : ", ") + p.comm + " (pid " + std::to_string(p.pid) + ") as fd " + std::to_string(p.fd);
  }
  return text.empty() ? "who has it open could not be found" : "it is open in " + text;
}

// The same entry at the second look; null: it was not there.
const InterestEntry* later_entry(std::span<const InterestSet> later, const InterestSet& set, const InterestEntry& e) {
  for (const InterestSet& now : later) {
    if (now.pid != set.pid || now.epfd != set.epfd) continue;
    auto at = std::lower_bound(now.entries.begin(), now.entries.end(), e.fd,
                               [](const InterestEntry& x, int fd) { return x.fd < fd; });
    for (; at != now.entries.end() && at->fd == e.fd; ++at) {
      if (at->data == e.data && at->inode == e.inode) return &*at;
    }
  }
  return nullptr;
}

class Findings {
 public:
  void look(const InterestSet& set, const InterestEntry& e, std::span<const InterestSet> later) {
    const auto add = [&](Rule rule, std::string evidence) {
      found_.push_back(
          {.rule = &kRules[rule], .pid = set.pid, .epfd = set.epfd, .fd = e.fd, .evidence = std::move(evidence)});
    };
    if (e.state == NumberState::kClosed) add(kClosedFd, holders_text(e));
    if (e.state == NumberState::kReused) add(kReusedFd, holders_text(e));
    if (e.state != NumberState::kSame) return;
    const bool stream_or_pipe = e.file.kind != "other" && !e.file.kind.empty();
    if (e.nonblocking == false && stream_or_pipe) {
      add(kBlockingFd, "O_NONBLOCK is not set" + (e.file.local.empty() ? std::string() : " on " + e.file.local));
    }
    if (level(e) && (e.events & EPOLLOUT) != 0 && e.file.tcp_state == "ESTABLISHED" && e.file.send_queue_bytes == 0u) {
      add(kAlwaysWritable, "nothing is queued to " + e.file.peer);
    }
    if (level(e) && e.armed() && (e.events & (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLRDNORM)) == 0) {
      add(kHangupOnly, "the mask is " + mask(e.events));
    }
    if (e.is_epoll) add(kNested, "fd " + std::to_string(e.fd) + " is an epoll instance");
    if (!wants_second_look(e)) return;
    // Bytes that are being read at this moment are no fault; the same or more at two looks are.
    const InterestEntry* now = later_entry(later, set, e);
    if (now != nullptr && wants_second_look(*now) && *e.file.recv_queue_bytes <= *now->file.recv_queue_bytes) {
      add(kUnread, std::to_string(*now->file.recv_queue_bytes) + " bytes from " + e.file.peer + " at two looks");
    }
  }

  // Listeners that several instances wait for.
  void look_for_herds(std::span<const InterestSet> sets) {
    std::map<std::uint64_t, std::vector<std::pair<const InterestSet*, const InterestEntry*>>> listeners;
    for (const InterestSet& set : sets) {
      for (const InterestEntry& e : set.entries) {
        if (e.state == NumberState::kSame && e.file.tcp_state == "LISTEN" && e.inode) {
          listeners[*e.inode].emplace_back(&set, &e);
        }
      }
    }
    for (const auto& [inode, waiting] : listeners) {
      if (waiting.size() < 2) continue;
      for (const auto& [set, e] : waiting) {
        if ((e->events & EPOLLEXCLUSIVE) != 0) continue;
        found_.push_back({.rule = &kRules[kHerd],
                          .pid = set->pid,
                          .epfd = set->epfd,
                          .fd = e->fd,
                          .evidence = e->file.local + " is in " + std::to_string(waiting.size()) + " instances"});
      }
    }
  }

  std::vector<Finding> take() { return std::move(found_); }

 private:
  static std::string mask(std::uint32_t events) {
    std::string text;
    for (const std::string& name : epoll_event_names(events)) text += (text.empty() ? "" : "|") + name;
    return text.empty() ? "empty" : text;
  }

  std::vector<Finding> found_;
};

}  // namespace

std::vector<Finding> find_faults(std::span<const InterestSet> sets, std::span<const InterestSet> later) {
  Findings findings;
  for (const InterestSet& set : sets) {
    for (const InterestEntry& e : set.entries) findings.look(set, e, later);
  }
  findings.look_for_herds(sets);
  return findings.take();
}

// An end of stream that nobody has read yet counts as one byte of the queue (tcp_diag_get_info in net/ipv4/tcp_diag.c:
// a FIN has a sequence number of its own).
bool wants_second_look(const InterestEntry& entry) {
  const std::uint64_t no_bytes = entry.file.tcp_state == "CLOSE_WAIT" ? 1 : 0;
  return entry.armed() && (entry.events & EPOLLIN) != 0 && entry.file.tcp_state != "LISTEN" &&
         entry.file.recv_queue_bytes.value_or(0) > no_bytes;
}

std::vector<std::string> epoll_event_names(std::uint32_t events) {
  static constexpr std::pair<std::uint32_t, const char*> kNames[] = {
      {EPOLLIN, "IN"},         {EPOLLPRI, "PRI"},         {EPOLLOUT, "OUT"},       {EPOLLERR, "ERR"},
      {EPOLLHUP, "HUP"},       {EPOLLRDNORM, "RDNORM"},   {EPOLLRDBAND, "RDBAND"}, {EPOLLWRNORM, "WRNORM"},
      {EPOLLWRBAND, "WRBAND"}, {EPOLLMSG, "MSG"},         {EPOLLRDHUP, "RDHUP"},   {EPOLLEXCLUSIVE, "EXCLUSIVE"},
      {EPOLLWAKEUP, "WAKEUP"}, {EPOLLONESHOT, "ONESHOT"}, {EPOLLET, "ET"},
  };
  std::vector<std::string> names;
  for (const auto& [bit, name] : kNames) {
    if ((events & bit) == 0) continue;
    names.emplace_back(name);
    events &= ~bit;
  }
  if (events != 0) {
    std::array<char, 16> text;
    std::snprintf(text.data(), text.size(), "0x%x", events);
    names.emplace_back(text.data());
  }
  return names;
}

}  // namespace netpoll::probes
