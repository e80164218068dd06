// What is behind a socket's inode: addresses and state, as the kernel tells them.
//
// Two ways lead there: NETLINK_SOCK_DIAG (sock_diag(7)), fast, and knows how long a TCP socket was idle and the peer of
// a Unix socket, but answers for the network namespace that its netlink socket was made in; and
// /proc/PID/net/{tcp,tcp6,udp,udp6,unix} (proc_pid_net(5)), which is the target's namespace without any privilege. The
// first is taken where both namespaces are the same, or where we may enter the target's.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "libruntime/base/tcp_state.h"
#include "netpoll/result.h"
#include "probes/process/descriptors/descriptors.h"

namespace netpoll::probes {

struct SocketInfo {
  std::string_view kind;   // "tcp", "udp", "unix"; static storage
  std::string local;       // "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name"; empty: none
  std::string peer;        // the same of the other side; empty: not connected, or an unnamed Unix socket
  std::string_view state;  // "ESTABLISHED", "LISTEN", ... for TCP, empty otherwise; static storage
  // Received and not yet read, written and not yet acknowledged (UDP, Unix: not yet taken). Of a TCP listener:
  // connections that wait to be accepted, and the most that may.
  std::optional<std::uint64_t> recv_queue_bytes;
  std::optional<std::uint64_t> send_queue_bytes;
  // TCP, connected: since data last came, or went; since it was connected where none did (tcp_info; milliseconds).
  std::optional<std::int64_t> recv_idle_ns;
  std::optional<std::int64_t> send_idle_ns;
  std::uint64_t peer_inode = 0;  // of the socket at the other end, on this machine; 0: unknown, or not yet accepted
};

using Inodes = std::unordered_set<std::uint64_t>;
using SocketTable = std::unordered_map<std::uint64_t, SocketInfo>;  // by inode

// Finds the sockets among `wanted`, in the network namespace of pid. A socket that is of another family, or was closed
// meanwhile, is missing in the answer. Reads each of the kernel's tables once, and only those that may hold something
// still wanted, or the other end of it: with Ends::kOwn, peer_inode of TCP may stay unknown.
Result<SocketTable> find_sockets(pid_t pid, const Inodes& wanted, Ends ends);

// A TCP socket as sock_diag tells it: inode, addresses in network order and ports, state, queues, idle times.
struct TcpSocket {
  std::uint32_t inode = 0;
  std::uint32_t recv_queue_bytes = 0;
  std::uint32_t send_queue_bytes = 0;
  std::uint16_t local_port = 0;
  std::uint16_t peer_port = 0;
  std::array<std::uint32_t, 4> local{};
  std::array<std::uint32_t, 4> peer{};
  std::uint8_t family = 0;
  std::uint8_t state = 0;
  bool has_idle_times = false;
  std::uint32_t recv_idle_ms = 0;
  std::uint32_t send_idle_ms = 0;
};

// The same as find_sockets, for one who learns step by step which are wanted: meanwhile the kernel's largest table can
// be read by another thread.
class SocketFinder {
 public:
  explicit SocketFinder(pid_t pid) : pid_(pid) {}
  SocketFinder(const SocketFinder&) = delete;
  SocketFinder& operator=(const SocketFinder&) = delete;
  ~SocketFinder();

  // Begins; does nothing where it has begun.
  void read_ahead();
  // What was made after the table was read ahead is found all the same. Once.
  Result<SocketTable> find(const Inodes& wanted, Ends ends);

 private:
  pid_t pid_;
  std::thread reader_;
  std::vector<TcpSocket> tcp_;  // what it read
  std::optional<Result<void>> read_;
};

// --- the two ways, for tests
Result<void> read_tcp_sockets(pid_t pid, std::vector<TcpSocket>& sockets);
Result<SocketTable> find_by_sock_diag(pid_t pid, const std::vector<TcpSocket>& tcp, const Inodes& wanted, Ends ends);
Result<SocketTable> find_in_proc_net(pid_t pid, const Inodes& wanted);
// In copies of those tables: folder ends in "/". kNotFound: it has none of them.
Result<SocketTable> find_in_net_tables(const std::string& folder, const Inodes& wanted);

// Addresses and ports of both ends of a connection, the same for IPv4 and for IPv4 inside of IPv6.
struct SocketEnds {
  std::array<unsigned char, 16> local{};
  std::array<unsigned char, 16> peer{};
  std::uint16_t local_port = 0;
  std::uint16_t peer_port = 0;

  // family is AF_INET or AF_INET6, the addresses are in network order.
  static SocketEnds of(int family, const void* local, std::uint16_t local_port, const void* peer,
                       std::uint16_t peer_port);
  SocketEnds reversed() const;
  bool operator==(const SocketEnds&) const = default;
};

// Gathers the answer while the tables are read.
class SocketSearch {
 public:
  explicit SocketSearch(const Inodes& wanted, Ends ends = Ends::kBoth) : wanted_(wanted), ends_(ends) {}

  bool wants(std::uint64_t inode) const { return wanted_.contains(inode); }
  bool complete() const { return found_.size() == wanted_.size(); }
  // A socket that is wanted; the last one of its inode stays.
  SocketInfo& add(std::uint64_t inode, SocketInfo info) { return found_[inode] = std::move(info); }
  // Any TCP socket, wanted or not: it may be the other end of one that is.
  void add_ends(std::uint64_t inode, const SocketEnds& ends) {
    if (ends_ == Ends::kBoth) inode_at_.emplace(ends, inode);
  }
  // What was found, other ends included.
  SocketTable take();

 private:
  struct Hash {
    std::size_t operator()(const SocketEnds& ends) const;
  };

  const Inodes& wanted_;
  const Ends ends_;
  SocketTable found_;
  std::unordered_map<SocketEnds, std::uint64_t, Hash> inode_at_;
};

// Read one table in the format of /proc/net/tcp (or udp, with state names left out) and of /proc/net/unix. Lines that
// do not follow the format are skipped.
void read_inet_table(std::istream& table, std::string_view kind, SocketSearch& search);
void read_unix_table(std::istream& table, SocketSearch& search);

using base::tcp_state_name;

// "127.0.0.1:80" of an address in network order; an IPv4 address inside IPv6 is printed as IPv4. Empty for the
// wildcard address with port 0, which stands for "none".
std::string address_text(int family, const void* address, std::uint16_t port);

}  // namespace netpoll::probes
