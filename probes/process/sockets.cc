#include "probes/process/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <array>
#include <cstring>

namespace netpoll::probes {
namespace {

bool same_net_namespace(pid_t pid) {
  struct stat ours {};
  struct stat theirs {};
  return stat("/proc/self/ns/net", &ours) == 0 &&
         stat(("/proc/" + std::to_string(pid) + "/ns/net").c_str(), &theirs) == 0 && ours.st_ino == theirs.st_ino &&
         ours.st_dev == theirs.st_dev;
}

bool all_zero(const void* bytes, std::size_t size) {
  const auto* p = static_cast<const unsigned char*>(bytes);
  for (std::size_t i = 0; i < size; ++i) {
    if (p[i] != 0) return false;
  }
  return true;
}

}  // namespace

std::string_view tcp_state_name(unsigned state) {
  static constexpr std::array<std::string_view, 13> kNames = {
      "",      "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",   "TIME_WAIT",
      "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV"};
  return state < kNames.size() ? kNames[state] : std::string_view{};
}

std::string address_text(int family, const void* address, std::uint16_t port) {
  const std::size_t size = family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
  if (port == 0 && all_zero(address, size)) return {};
  if (family == AF_INET6) {
    in6_addr v6;
    std::memcpy(&v6, address, sizeof(v6));
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      return address_text(AF_INET, static_cast<const unsigned char*>(address) + 12, port);
    }
  }
  std::array<char, INET6_ADDRSTRLEN> text;
  if (inet_ntop(family, address, text.data(), text.size()) == nullptr) return {};
  const std::string host = text.data();
  return (family == AF_INET6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<SocketTable> find_sockets(pid_t pid, const Inodes& wanted) {
  if (wanted.empty()) return SocketTable{};
  if (same_net_namespace(pid)) {
    // A kernel without the diag modules has the tables in /proc all the same.
    if (auto found = find_by_sock_diag(wanted)) return found;
  }
  return find_in_proc_net(pid, wanted);
}

}  // namespace netpoll::probes
