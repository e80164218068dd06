// Stream servers that answer rightly, wrongly, or not at all.
#include "tests/cli/workload/prey_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace netpoll::test {
namespace {

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::abort();
}

void send_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    if (n <= 0) return;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

}  // namespace

PreyServer::PreyServer(Behaviour behaviour, const std::string& address) : behaviour_(behaviour) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (address.starts_with("unix:@")) {
    auto* un = reinterpret_cast<sockaddr_un*>(&storage);
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path + 1, address.data() + 6, address.size() - 6);
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() - 5);
    address_ = address;
  } else if (address == "::1") {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_addr = in6addr_loopback;
    size = sizeof(*in6);
  } else {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    in->sin_family = AF_INET;
    inet_pton(AF_INET, address.c_str(), &in->sin_addr);
    size = sizeof(*in);
  }
  listener_.reset(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener_.valid() || bind(listener_.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0 ||
      listen(listener_.get(), 1024) != 0) {
    die("prey server");
  }
  if (address_.empty()) {
    sockaddr_storage bound{};
    socklen_t bound_size = sizeof(bound);
    if (getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&bound), &bound_size) != 0) die("getsockname");
    const int port = ntohs(reinterpret_cast<sockaddr_in*>(&bound)->sin_port);  // at the same offset in IPv6
    address_ = (address == "::1" ? "[::1]:" : address + ":") + std::to_string(port);
  }
  int ends[2];
  if (pipe(ends) != 0) die("pipe");
  stop_read_.reset(ends[0]);
  stop_write_.reset(ends[1]);
  thread_ = std::thread([this] { serve(); });
}

PreyServer::~PreyServer() {
  stop_write_.reset();
  thread_.join();
}

void PreyServer::serve() {
  std::vector<Fd> connections;
  std::vector<pollfd> polled;
  std::vector<char> buffer(64 * 1024);
  std::uint64_t messages = 0;
  for (;;) {
    polled.assign({{stop_read_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}});
    for (const Fd& fd : connections) polled.push_back({fd.get(), POLLIN, 0});
    if (poll(polled.data(), polled.size(), -1) < 0) die("poll");
    if (polled[0].revents != 0) return;
    for (std::size_t i = 2; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      Fd& fd = connections[i - 2];
      const ssize_t n = recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (n <= 0) {
        ++ended_;
        if (behaviour_ == Behaviour::kNeverClose) {
          (void)fd.release();  // stays open until the process ends, unheard
        } else {
          fd.reset();
        }
        continue;
      }
      const auto size = static_cast<std::size_t>(n);
      const bool chosen = ++messages == 20;
      int to = fd.get();
      if (chosen && behaviour_ == Behaviour::kFlipBit) buffer[size / 2] ^= 1;
      if (chosen && behaviour_ == Behaviour::kSwallow) continue;
      if (chosen && behaviour_ == Behaviour::kCloseEarly) {
        fd.reset();
        continue;
      }
      if (chosen && behaviour_ == Behaviour::kReset) {
        const linger now{1, 0};
        setsockopt(to, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        fd.reset();
        continue;
      }
      if (behaviour_ == Behaviour::kMisroute && i > 2) to = connections[i - 3].get();
      send_all(to, buffer.data(), size);
      if (behaviour_ == Behaviour::kDouble) send_all(to, buffer.data(), size);
    }
    std::erase_if(connections, [](const Fd& fd) { return !fd.valid(); });
    if (polled[1].revents != 0) {
      connections.emplace_back(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      ++accepted_;
    }
  }
}

}  // namespace netpoll::test
