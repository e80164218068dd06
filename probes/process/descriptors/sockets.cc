// Chooses the way to the kernel's tables of sockets, and joins both ends of connections.
#include "probes/process/descriptors/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstring>
#include <functional>
#include <system_error>
#include <type_traits>

namespace netpoll::probes {
namespace {

bool all_zero(const void* bytes, std::size_t size) {
  const auto* p = static_cast<const unsigned char*>(bytes);
  for (std::size_t i = 0; i < size; ++i) {
    if (p[i] != 0) return false;
  }
  return true;
}

}  // namespace

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

SocketEnds SocketEnds::of(int family, const void* local, std::uint16_t local_port, const void* peer,
                          std::uint16_t peer_port) {
  const auto widened = [family](const void* address) {
    std::array<unsigned char, 16> wide{};
    if (family == AF_INET6) {
      std::memcpy(wide.data(), address, wide.size());
    } else {
      wide[10] = wide[11] = 0xff;
      std::memcpy(wide.data() + 12, address, sizeof(in_addr));
    }
    return wide;
  };
  return {.local = widened(local), .peer = widened(peer), .local_port = local_port, .peer_port = peer_port};
}

SocketEnds SocketEnds::reversed() const {
  return {.local = peer, .peer = local, .local_port = peer_port, .peer_port = local_port};
}

std::size_t SocketSearch::Hash::operator()(const SocketEnds& ends) const {
  static_assert(std::has_unique_object_representations_v<SocketEnds>);
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(&ends), sizeof(ends)});
}

SocketTable SocketSearch::take() {
  for (const auto& [ends, inode] : inode_at_) {
    const auto found = found_.find(inode);
    if (found == found_.end()) continue;
    if (const auto peer = inode_at_.find(ends.reversed()); peer != inode_at_.end()) {
      found->second.peer_inode = peer->second;
    }
  }
  return std::move(found_);
}

Result<SocketTable> find_sockets(pid_t pid, const Inodes& wanted, Ends ends) {
  return SocketFinder(pid).find(wanted, ends);
}

SocketFinder::~SocketFinder() {
  if (reader_.joinable()) reader_.join();
}

void SocketFinder::read_ahead() {
  if (reader_.joinable()) return;
  try {
    reader_ = std::thread([this] { read_ = read_tcp_sockets(pid_, tcp_); });
  } catch (const std::system_error&) {
    // No thread is to be had: it is read when it is asked for.
  }
}

Result<SocketTable> SocketFinder::find(const Inodes& wanted, Ends ends) {
  if (wanted.empty()) return SocketTable{};
  const bool ahead = reader_.joinable();
  if (ahead) reader_.join();
  if (!read_) read_ = read_tcp_sockets(pid_, tcp_);
  if (*read_) {
    auto found = find_by_sock_diag(pid_, tcp_, wanted, ends);
    if (found && ahead && found->size() < wanted.size()) {
      tcp_.clear();
      read_ = read_tcp_sockets(pid_, tcp_);
      if (*read_) found = find_by_sock_diag(pid_, tcp_, wanted, ends);
    }
    if (found) return found;
  }
  // A kernel without the diag modules has the tables in /proc all the same.
  return find_in_proc_net(pid_, wanted);
}

}  // namespace netpoll::probes
