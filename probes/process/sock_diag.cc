// The tables of NETLINK_SOCK_DIAG; messages: sock_diag(7).
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <vector>

#include "netpoll/fd.h"
#include "probes/process/sockets.h"

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

// Sends one dump request and hands over each answer.
template <typename Request>
Result<void> dump(int netlink, const Request& request, const OnMessage& on_message) {
  struct {
    nlmsghdr header;
    Request request;
  } message{};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
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

Result<void> dump_inet(int netlink, std::uint8_t family, std::uint8_t protocol, std::string_view kind,
                       const Inodes& wanted, SocketTable& found) {
  inet_diag_req_v2 request{};
  request.sdiag_family = family;
  request.sdiag_protocol = protocol;
  request.idiag_states = ~0U;
  return dump(netlink, request, [&](const void* payload, std::size_t size) {
    inet_diag_msg m;
    if (size < sizeof(m)) return;
    std::memcpy(&m, payload, sizeof(m));
    if (wanted.count(m.idiag_inode) == 0) return;
    found[m.idiag_inode] = {.kind = kind,
                            .local = address_text(m.idiag_family, m.id.idiag_src, ntohs(m.id.idiag_sport)),
                            .peer = address_text(m.idiag_family, m.id.idiag_dst, ntohs(m.id.idiag_dport)),
                            .state = kind == "tcp" ? tcp_state_name(m.idiag_state) : std::string_view{}};
  });
}

// The name of a Unix socket as sun_path holds it: a path, or a NUL and an abstract name.
std::string unix_name(const char* bytes, std::size_t size) {
  if (size == 0) return {};
  if (bytes[0] == '\0') return "unix:@" + std::string(bytes + 1, size - 1);
  return "unix:" + std::string(bytes, strnlen(bytes, size));
}

Result<void> dump_unix(int netlink, const Inodes& wanted, SocketTable& found) {
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = ~0U;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER;
  std::unordered_map<std::uint64_t, std::string> names;
  std::unordered_map<std::uint64_t, std::uint64_t> peers;
  auto done = dump(netlink, request, [&](const void* payload, std::size_t size) {
    unix_diag_msg m;
    if (size < sizeof(m)) return;
    std::memcpy(&m, payload, sizeof(m));
    const bool is_wanted = wanted.count(m.udiag_ino) > 0;
    if (is_wanted) found[m.udiag_ino] = {.kind = "unix", .local = {}, .peer = {}, .state = {}};
    auto left = static_cast<unsigned>(size - sizeof(m));
    const void* after_message = static_cast<const char*>(payload) + sizeof(m);
    for (const auto* attribute = static_cast<const rtattr*>(after_message); RTA_OK(attribute, left);
         attribute = next_attribute(attribute, left)) {
      const std::size_t length = RTA_PAYLOAD(attribute);
      if (attribute->rta_type == UNIX_DIAG_NAME) {
        names[m.udiag_ino] = unix_name(static_cast<const char*>(RTA_DATA(attribute)), length);
      } else if (attribute->rta_type == UNIX_DIAG_PEER && is_wanted && length >= sizeof(std::uint32_t)) {
        std::uint32_t inode;
        std::memcpy(&inode, RTA_DATA(attribute), sizeof(inode));
        peers[m.udiag_ino] = inode;
      }
    }
  });
  for (auto& [inode, socket] : found) {
    if (socket.kind != "unix") continue;
    if (auto name = names.find(inode); name != names.end()) socket.local = name->second;
    if (auto peer = peers.find(inode); peer != peers.end()) {
      if (auto name = names.find(peer->second); name != names.end()) socket.peer = name->second;
    }
  }
  return done;
}

}  // namespace

Result<SocketTable> find_by_sock_diag(const Inodes& wanted) {
  struct Table {
    std::uint8_t family;
    std::uint8_t protocol;
    std::string_view kind;
  };
  static constexpr std::array kInetTables = {Table{AF_INET, IPPROTO_TCP, "tcp"}, Table{AF_INET6, IPPROTO_TCP, "tcp"},
                                             Table{AF_INET, IPPROTO_UDP, "udp"}, Table{AF_INET6, IPPROTO_UDP, "udp"}};
  Fd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink.valid()) return posix_error("open sock_diag", errno);
  SocketTable found;
  for (const Table& t : kInetTables) {
    if (found.size() == wanted.size()) return found;
    if (auto r = dump_inet(netlink.get(), t.family, t.protocol, t.kind, wanted, found); !r) return std::move(r).error();
  }
  if (found.size() == wanted.size()) return found;
  if (auto r = dump_unix(netlink.get(), wanted, found); !r) return std::move(r).error();
  return found;
}

}  // namespace netpoll::probes
