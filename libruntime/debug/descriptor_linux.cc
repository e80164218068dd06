// Asks the kernel about one of our own descriptors.
#include "libruntime/debug/descriptor.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "libruntime/base/tcp_state.h"
#include "libruntime/net/socket.h"
#include "netpoll/net/addr.h"

namespace netpoll::debug {
namespace {

std::optional<std::uint64_t> queue_length(int fd, unsigned long request) {
  int length = 0;
  if (ioctl(fd, request, &length) != 0 || length < 0) return std::nullopt;
  return static_cast<std::uint64_t>(length);
}

int socket_option(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

void describe_tcp(int fd, trace::Goroutine& g) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
  g.tcp_state = base::tcp_state_name(info.tcpi_state);
  if (info.tcpi_state == TCP_LISTEN) {
    // Connections that wait to be accepted, and the most that may (net/ipv4/tcp.c, tcp_get_info).
    g.recv_queue_bytes = info.tcpi_unacked;
    g.send_queue_bytes = info.tcpi_sacked;
    return;
  }
  constexpr std::int64_t kMillisecond = 1'000'000;
  g.socket_idle_ns =
      kMillisecond * (g.mode == trace::IoMode::kRead ? info.tcpi_last_data_recv : info.tcpi_last_data_sent);
}

std::string link_text(int fd) {
  std::array<char, PATH_MAX> text;
  const ssize_t size = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text.data(), text.size());
  return size < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(size));
}

void describe_socket(int fd, trace::Goroutine& g) {
  const int family = socket_option(fd, SO_DOMAIN);
  const bool stream = socket_option(fd, SO_TYPE) == SOCK_STREAM;
  g.kind = family == AF_UNIX ? "unix" : stream ? "tcp" : "udp";
  g.local = net::shown(net::socket_name(fd));
  g.peer = net::shown(net::peer_name(fd));
  g.recv_queue_bytes = queue_length(fd, SIOCINQ);
  g.send_queue_bytes = queue_length(fd, SIOCOUTQ);
  if (g.kind == "tcp") describe_tcp(fd, g);
}

}  // namespace

void describe_descriptor(trace::Goroutine& g) {
  if (!g.fd) return;
  struct stat status {};
  if (fstat(*g.fd, &status) != 0) return;
  if (S_ISSOCK(status.st_mode)) return describe_socket(*g.fd, g);
  g.kind = S_ISFIFO(status.st_mode) ? "pipe" : "other";
  g.local = link_text(*g.fd);
}

}  // namespace netpoll::debug
