// plain_echo: the floor. One thread, one epoll instance, one shared buffer, no abstraction.
//
//   plain_echo [edge|oneshot] [PORT]
//
// Prints "127.0.0.1:PORT plain epoll, edge" and serves until the end of its standard input. A read that is shorter than
// the buffer has drained the stream (epoll(7), question 9), so no read ends in EAGAIN, unless the end of the stream
// shares the event: then it reads on.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr std::size_t kBuffer = 4096;
constexpr std::uint32_t kHangup = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

struct Connection {
  int fd;
  std::string unsent;  // what a full socket did not take
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

class Server {
 public:
  Server(bool oneshot, std::uint16_t port);
  void run();

 private:
  void accept_all();
  // False when the connection is to be closed.
  bool serve(Connection& c, std::uint32_t events);
  bool send_or_keep(Connection& c, const char* data, std::size_t size);

  const std::uint32_t interest_;
  int epfd_;
  int listener_;
};

Server::Server(bool oneshot, std::uint16_t port)
    : interest_(oneshot ? EPOLLIN | EPOLLRDHUP | EPOLLONESHOT : EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET),
      epfd_(epoll_create1(EPOLL_CLOEXEC)),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof(address);
  const int one = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));  // inherited by what it accepts
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0) die("bind");
  if (listen(listener_, 4096) != 0) die("listen");
  if (getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) die("getsockname");
  epoll_event event{EPOLLIN, {.ptr = nullptr}};
  if (epoll_ctl(epfd_, EPOLL_CTL_ADD, listener_, &event) != 0) die("epoll_ctl(listener)");
  event = {EPOLLIN, {.ptr = this}};
  if (epoll_ctl(epfd_, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0) die("epoll_ctl(stdin)");
  std::printf("127.0.0.1:%d plain epoll, %s\n", ntohs(address.sin_port), oneshot ? "oneshot" : "edge");
  std::fflush(stdout);
}

void Server::accept_all() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    epoll_event event{interest_, {.ptr = new Connection{fd, {}}}};
    if (epoll_ctl(epfd_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl(connection)");
  }
}

bool Server::send_or_keep(Connection& c, const char* data, std::size_t size) {
  if (c.unsent.empty()) {
    const ssize_t n = write(c.fd, data, size);
    if (n == static_cast<ssize_t>(size)) return true;
    if (n < 0 && errno != EAGAIN) return false;
    if (n > 0) {
      data += n;
      size -= static_cast<std::size_t>(n);
    }
  }
  c.unsent.append(data, size);
  return true;
}

bool Server::serve(Connection& c, std::uint32_t events) {
  if (!c.unsent.empty()) {
    const ssize_t n = write(c.fd, c.unsent.data(), c.unsent.size());
    if (n < 0 && errno != EAGAIN) return false;
    if (n > 0) c.unsent.erase(0, static_cast<std::size_t>(n));
  }
  if ((events & (EPOLLIN | kHangup)) == 0) return true;
  char buffer[kBuffer];
  for (;;) {
    const ssize_t n = read(c.fd, buffer, sizeof(buffer));
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN;
    if (!send_or_keep(c, buffer, static_cast<std::size_t>(n))) return false;
    if (static_cast<std::size_t>(n) < sizeof(buffer) && (events & kHangup) == 0) return true;
  }
}

void Server::run() {
  epoll_event events[256];
  for (;;) {
    const int n = epoll_wait(epfd_, events, 256, -1);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; ++i) {
      if (events[i].data.ptr == nullptr) {
        accept_all();
        continue;
      }
      if (events[i].data.ptr == this) return;
      auto* c = static_cast<Connection*>(events[i].data.ptr);
      if (!serve(*c, events[i].events)) {
        close(c->fd);
        delete c;
      } else if ((interest_ & EPOLLONESHOT) != 0) {
        const std::uint32_t out = c->unsent.empty() ? 0u : static_cast<std::uint32_t>(EPOLLOUT);
        epoll_event event{interest_ | out, {.ptr = c}};
        epoll_ctl(epfd_, EPOLL_CTL_MOD, c->fd, &event);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool oneshot = argc > 1 && std::strcmp(argv[1], "oneshot") == 0;
  Server(oneshot, static_cast<std::uint16_t>(argc > 2 ? std::atoi(argv[2]) : 0)).run();
}
