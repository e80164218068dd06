// The tables of NETLINK_SOCK_DIAG; messages: sock_diag(7).
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>
#include <iterator>
#include <optional>
#include <thread>
#include <vector>

#include "netpoll/fd.h"
#include "probes/process/descriptors/sockets.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

// NLMSG_NEXT and RTA_NEXT of the kernel's headers cast in a way that -Wcast-align refuses; the sizes are theirs.
const nlmsghdr* next_message(const nlmsghdr* message, unsigned& left) {
  const unsigned step = NLMSG_ALIGN(message->nlmsg_len);
  left = step < left ? left - step : 0;
  return static_cast<const nlmsghdr*>(static_cast<const void*>(reinterpret_cast<const char*>(message) + step));
}

const rtattr* next_attribute(const rtattr* attribute, unsigned& left) {
  const unsigned step = RTA_ALIGN(attribute->rta_len);
  left = step < left ? left - step : 0;
  return static_cast<const rtattr*>(static_cast<const void*>(reinterpret_cast<const char*>(attribute) + step));
}

using OnMessage = std::function<void(const void* payload, std::size_t size)>;

// The states of TCP that sockets with descriptors are in: half-open ones have none, nor has what is left of connections
// that ended. Those that are bound and no more stand in a table of their own (Linux 6.8, TCP_BOUND_INACTIVE), whose
// walk takes milliseconds.
constexpr unsigned kBoundInactive = 1U << 13;
constexpr unsigned kStates = ((1U << 12) - 1) & ~((1U << TCP_SYN_RECV) | (1U << TCP_TIME_WAIT));

// Sends one dump request and hands over each answer.
template <typename Request>
Result<void> dump(int netlink, std::uint16_t type, const Request& request, const OnMessage& on_message) {
  struct {
    nlmsghdr header;
    Request request;
  } message{};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = type;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.request = request;
  if (send(netlink, &message, sizeof(message), 0) < 0) return posix_error("ask sock_diag", errno);

  alignas(nlmsghdr) std::array<char, 1 << 16> buffer;
  for (;;) {
    const ssize_t got = recv(netlink, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return posix_error("read from sock_diag", errno);
    auto left = static_cast<unsigned>(got);
    for (auto* h = static_cast<const nlmsghdr*>(static_cast<const void*>(buffer.data())); NLMSG_OK(h, left);
         h = next_message(h, left)) {
      if (h->nlmsg_type == NLMSG_DONE) return {};
      if (h->nlmsg_type == NLMSG_ERROR) {
        nlmsgerr error{};
        std::memcpy(&error, NLMSG_DATA(h), std::min(sizeof(error), std::size_t{NLMSG_PAYLOAD(h, 0)}));
        return posix_error("sock_diag", -error.error);
      }
      on_message(NLMSG_DATA(h), NLMSG_PAYLOAD(h, 0));
    }
  }
}

// Calls visit with type, bytes and size of each attribute behind the fixed part of a message.
template <typename Visit>
void for_each_attribute(const void* payload, std::size_t fixed, std::size_t size, const Visit& visit) {
  auto left = static_cast<unsigned>(size - fixed);
  const void* first = static_cast<const char*>(payload) + fixed;
  for (const auto* a = static_cast<const rtattr*>(first); RTA_OK(a, left); a = next_attribute(a, left)) {
    visit(a->rta_type, static_cast<const char*>(RTA_DATA(a)), std::size_t{RTA_PAYLOAD(a)});
  }
}

// How long the socket was idle, by the tcp_info of INET_DIAG_INFO, which older kernels make shorter.
void add_idle_times(const char* bytes, std::size_t size, TcpSocket& socket) {
  tcp_info info{};
  if (size < offsetof(tcp_info, tcpi_last_data_recv) + sizeof(info.tcpi_last_data_recv)) return;
  std::memcpy(&info, bytes, std::min(size, sizeof(info)));
  socket.has_idle_times = true;
  socket.send_idle_ms = info.tcpi_last_data_sent;
  socket.recv_idle_ms = info.tcpi_last_data_recv;
}

// A message of inet_diag; nothing for a socket without an inode, which has no descriptor: it is not accepted yet, or
// nobody has it any more.
std::optional<inet_diag_msg> inet_message(const void* payload, std::size_t size) {
  inet_diag_msg m;
  if (size < sizeof(m)) return std::nullopt;
  std::memcpy(&m, payload, sizeof(m));
  return m.idiag_inode != 0 ? std::optional(m) : std::nullopt;
}

void add_tcp(const void* payload, std::size_t size, std::vector<TcpSocket>& sockets) {
  const auto m = inet_message(payload, size);
  if (!m) return;
  TcpSocket& socket = sockets.emplace_back();
  socket.inode = m->idiag_inode;
  socket.recv_queue_bytes = m->idiag_rqueue;
  socket.send_queue_bytes = m->idiag_wqueue;
  socket.local_port = ntohs(m->id.idiag_sport);
  socket.peer_port = ntohs(m->id.idiag_dport);
  std::copy(std::begin(m->id.idiag_src), std::end(m->id.idiag_src), socket.local.begin());
  std::copy(std::begin(m->id.idiag_dst), std::end(m->id.idiag_dst), socket.peer.begin());
  socket.family = m->idiag_family;
  socket.state = m->idiag_state;
  for_each_attribute(payload, sizeof(*m), size, [&](unsigned type, const char* bytes, std::size_t length) {
    if (type == INET_DIAG_INFO) add_idle_times(bytes, length, socket);
  });
}

Result<void> dump_tcp(int netlink, std::uint8_t family, unsigned states, std::vector<TcpSocket>& sockets) {
  inet_diag_req_v2 request{};
  request.sdiag_family = family;
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_states = states;
  request.idiag_ext = 1U << (INET_DIAG_INFO - 1);
  return dump(netlink, SOCK_DIAG_BY_FAMILY, request,
              [&](const void* payload, std::size_t size) { add_tcp(payload, size, sockets); });
}

// IPv4 and IPv6 in one walk over the kernel's table, which a request of the older form asks for (net/ipv4/inet_diag.c,
// inet_diag_dump_compat).
Result<void> dump_both_tcp(int netlink, std::vector<TcpSocket>& sockets) {
  inet_diag_req request{};
  request.idiag_family = AF_INET;
  request.idiag_states = kStates;
  request.idiag_ext = 1U << (INET_DIAG_INFO - 1);
  return dump(netlink, TCPDIAG_GETSOCK, request,
              [&](const void* payload, std::size_t size) { add_tcp(payload, size, sockets); });
}

void add_found(const std::vector<TcpSocket>& sockets, SocketSearch& search) {
  for (const TcpSocket& s : sockets) {
    const bool connected = s.state != TCP_LISTEN && s.peer_port != 0;
    if (connected) {
      search.add_ends(s.inode, SocketEnds::of(s.family, s.local.data(), s.local_port, s.peer.data(), s.peer_port));
    }
    if (!search.wants(s.inode)) continue;
    SocketInfo& found = search.add(s.inode, {.kind = "tcp",
                                             .local = address_text(s.family, s.local.data(), s.local_port),
                                             .peer = address_text(s.family, s.peer.data(), s.peer_port),
                                             .state = tcp_state_name(s.state),
                                             .recv_queue_bytes = s.recv_queue_bytes,
                                             .send_queue_bytes = s.send_queue_bytes});
    if (!connected || !s.has_idle_times) continue;
    found.recv_idle_ns = std::int64_t{s.recv_idle_ms} * 1'000'000;
    found.send_idle_ns = std::int64_t{s.send_idle_ms} * 1'000'000;
  }
}

Result<void> dump_udp(int netlink, std::uint8_t family, SocketSearch& search) {
  inet_diag_req_v2 request{};
  request.sdiag_family = family;
  request.sdiag_protocol = IPPROTO_UDP;
  request.idiag_states = ~0U;
  return dump(netlink, SOCK_DIAG_BY_FAMILY, request, [&](const void* payload, std::size_t size) {
    const auto m = inet_message(payload, size);
    if (!m || !search.wants(m->idiag_inode)) return;
    search.add(m->idiag_inode, {.kind = "udp",
                                .local = address_text(m->idiag_family, m->id.idiag_src, ntohs(m->id.idiag_sport)),
                                .peer = address_text(m->idiag_family, m->id.idiag_dst, ntohs(m->id.idiag_dport)),
                                .recv_queue_bytes = m->idiag_rqueue,
                                .send_queue_bytes = m->idiag_wqueue});
  });
}

// The name of a Unix socket as sun_path holds it: a path, or a NUL and an abstract name.
std::string unix_name(const char* bytes, std::size_t size) {
  if (size == 0) return {};
  if (bytes[0] == '\0') return "unix:@" + std::string(bytes + 1, size - 1);
  return "unix:" + std::string(bytes, strnlen(bytes, size));
}

Result<void> dump_unix(int netlink, SocketSearch& search) {
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = ~0U;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN;
  std::unordered_map<std::uint64_t, std::string> names;
  std::vector<SocketInfo*> found;  // a table's elements keep their address
  auto done = dump(netlink, SOCK_DIAG_BY_FAMILY, request, [&](const void* payload, std::size_t size) {
    unix_diag_msg m;
    if (size < sizeof(m)) return;
    std::memcpy(&m, payload, sizeof(m));
    SocketInfo* socket = nullptr;
    if (search.wants(m.udiag_ino)) {
      socket = &search.add(m.udiag_ino, {.kind = "unix"});
      found.push_back(socket);
    }
    for_each_attribute(payload, sizeof(m), size, [&](unsigned type, const char* bytes, std::size_t length) {
      if (type == UNIX_DIAG_NAME) {
        std::string name = unix_name(bytes, length);
        if (socket != nullptr) socket->local = name;
        names[m.udiag_ino] = std::move(name);
      } else if (type == UNIX_DIAG_PEER && socket != nullptr && length >= sizeof(std::uint32_t)) {
        std::uint32_t inode;
        std::memcpy(&inode, bytes, sizeof(inode));
        socket->peer_inode = inode;
      } else if (type == UNIX_DIAG_RQLEN && socket != nullptr && length >= sizeof(unix_diag_rqlen)) {
        unix_diag_rqlen queues;
        std::memcpy(&queues, bytes, sizeof(queues));
        socket->recv_queue_bytes = queues.udiag_rqueue;
        socket->send_queue_bytes = queues.udiag_wqueue;
      }
    });
  });
  for (SocketInfo* socket : found) {
    if (const auto name = names.find(socket->peer_inode); name != names.end()) socket->peer = name->second;
  }
  return done;
}

bool same_net_namespace(pid_t pid) {
  struct stat ours {};
  struct stat theirs {};
  return stat("/proc/self/ns/net", &ours) == 0 &&
         stat(("/proc/" + std::to_string(living_thread(pid)) + "/ns/net").c_str(), &theirs) == 0 &&
         ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

Result<Fd> open_here() {
  Fd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink.valid()) return posix_error("open sock_diag", errno);
  return netlink;
}

// A netlink socket belongs to the namespace that its thread was in. Entering another one needs CAP_SYS_ADMIN.
Result<Fd> open_in_namespace_of(pid_t pid) {
  if (same_net_namespace(pid)) return open_here();
  const Fd there(open(("/proc/" + std::to_string(living_thread(pid)) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  if (!there.valid()) return posix_error("open the network namespace", errno);
  Result<Fd> netlink = posix_error("enter the network namespace", EPERM);
  std::thread([&] {
    netlink = setns(there.get(), CLONE_NEWNET) == 0 ? open_here() : posix_error("enter the network namespace", errno);
  }).join();
  return netlink;
}

}  // namespace

Result<void> read_tcp_sockets(pid_t pid, std::vector<TcpSocket>& sockets) {
  auto netlink = open_in_namespace_of(pid);
  if (!netlink) return std::move(netlink).error();
  if (dump_both_tcp(netlink->get(), sockets)) return {};
  sockets.clear();
  for (const std::uint8_t family : {AF_INET, AF_INET6}) {
    if (auto r = dump_tcp(netlink->get(), family, kStates, sockets); !r) return r;
  }
  return {};
}

Result<SocketTable> find_by_sock_diag(pid_t pid, const std::vector<TcpSocket>& tcp, const Inodes& wanted, Ends ends) {
  SocketSearch search(wanted, ends);
  add_found(tcp, search);
  if (search.complete()) return search.take();
  auto netlink = open_in_namespace_of(pid);
  if (!netlink) return std::move(netlink).error();
  for (const std::uint8_t family : {AF_INET, AF_INET6}) {
    if (auto r = dump_udp(netlink->get(), family, search); !r) return std::move(r).error();
    if (search.complete()) return search.take();
  }
  if (auto r = dump_unix(netlink->get(), search); !r) return std::move(r).error();
  for (const std::uint8_t family : {AF_INET, AF_INET6}) {
    if (search.complete()) break;
    std::vector<TcpSocket> bound;
    if (auto r = dump_tcp(netlink->get(), family, kBoundInactive, bound); !r) return std::move(r).error();
    add_found(bound, search);
  }
  return search.take();
}

}  // namespace netpoll::probes
