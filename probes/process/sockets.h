// What is behind a socket's inode: addresses and state, as the kernel tells them.
//
// Two ways lead there: NETLINK_SOCK_DIAG (sock_diag(7)), fast, and knows the peer of a Unix socket, but answers for our
// own network namespace only; and /proc/PID/net/{tcp,tcp6,udp,udp6,unix} (proc_pid_net(5)), which is the target's
// namespace without any privilege. The first is taken where both namespaces are the same.
// For 20,000 sockets: 20 ms against 55 ms.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "netpoll/result.h"

namespace netpoll::probes {

struct SocketInfo {
  std::string_view kind;   // "tcp", "udp", "unix"; static storage
  std::string local;       // "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name"; empty: none
  std::string peer;        // the same of the other side; empty: not connected, or an unnamed Unix socket
  std::string_view state;  // "ESTABLISHED", "LISTEN", ... for TCP, empty otherwise; static storage
};

using Inodes = std::unordered_set<std::uint64_t>;
using SocketTable = std::unordered_map<std::uint64_t, SocketInfo>;  // by inode

// Finds the sockets among `wanted`, in the network namespace of pid. A socket that is of another family, or was closed
// meanwhile, is missing in the answer. Reads each of the kernel's tables once, and only those that may hold something
// still wanted.
Result<SocketTable> find_sockets(pid_t pid, const Inodes& wanted);

// --- the two ways, for tests
Result<SocketTable> find_by_sock_diag(const Inodes& wanted);
Result<SocketTable> find_in_proc_net(pid_t pid, const Inodes& wanted);
// Read one table in the format of /proc/net/tcp (or udp, with state names left out) and of /proc/net/unix. Lines that
// do not follow the format are skipped.
void read_inet_table(std::istream& table, std::string_view kind, const Inodes& wanted, SocketTable& found);
void read_unix_table(std::istream& table, const Inodes& wanted, SocketTable& found);

// Name of a TCP state of the kernel (include/net/tcp_states.h), empty for an unknown one.
std::string_view tcp_state_name(unsigned state);

// "127.0.0.1:80" of an address in network order; an IPv4 address inside IPv6 is printed as IPv4. Empty for the
// wildcard address with port 0, which stands for "none".
std::string address_text(int family, const void* address, std::uint16_t port);

}  // namespace netpoll::probes
