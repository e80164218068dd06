// What the descriptors of a process are, by number, and who holds their other ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "netpoll/trace/goroutine.h"

namespace netpoll::probes {

// Unknown is nullopt or empty.
struct DescriptorInfo {
  std::string_view kind;               // "tcp", "udp", "unix", "pipe" (a FIFO too), "other"; static storage
  std::string local;                   // address, or the link's text ("pipe:[4711]", "anon_inode:[eventfd]")
  std::string peer;                    // address of the other side; empty: none known
  std::string_view tcp_state;          // static storage
  std::optional<std::uint64_t> inode;  // of the file that the number stands for
  // Sockets; meanings: SocketInfo (sockets.h).
  std::optional<std::uint64_t> recv_queue_bytes;
  std::optional<std::uint64_t> send_queue_bytes;
  std::optional<std::int64_t> recv_idle_ns;
  std::optional<std::int64_t> send_idle_ns;
  // Who has the other end open, by pid and descriptor: of a connection on this machine, of a Unix socket, of a pipe or
  // FIFO. As far as /proc may be read.
  std::vector<trace::PeerProcess> peer_processes;
};

// The text of the link of an epoll instance in /proc/PID/fd.
inline constexpr std::string_view kEpollLink = "anon_inode:[eventpoll]";
// The same of io_uring.
inline constexpr std::string_view kUringLink = "anon_inode:[io_uring]";

// Fills in what a table of sockets says, beside what is there already.
struct SocketInfo;
void set_socket(const SocketInfo& socket, DescriptorInfo& info);

using Descriptors = std::unordered_map<int, DescriptorInfo>;

// How much is looked up: what the descriptors are, or also who holds their other ends, which takes a walk over the
// descriptors of every process on the machine.
enum class Ends : std::uint8_t { kOwn, kBoth };

// Looks up the descriptors with these numbers; repeats are fine. One that is closed, or that we must not look at, is
// missing in the answer; so are the addresses of sockets where the kernel does not tell them.
Descriptors describe_descriptors(pid_t pid, const std::vector<int>& numbers, Ends ends);

// Whether a process has an instance of io_uring open; nothing where its descriptors may not be listed.
std::optional<bool> has_io_uring(pid_t pid);

// Calls visit for each descriptor that is an epoll instance, as long as it returns true; the kernel lists the lowest
// numbers first. False where they may not be listed. A poller's instance is mostly among the first of thousands.
bool each_epoll_descriptor(pid_t pid, const std::function<bool(int)>& visit);
// The descriptors of a process that are epoll instances; nothing where they may not be listed.
std::optional<std::vector<int>> epoll_descriptors_of(pid_t pid);

}  // namespace netpoll::probes
