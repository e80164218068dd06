// An event loop of its own for connections; cpp-httplib reads requests and words answers, in memory.
#include "exporters/http/page_server.h"

#include <httplib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <list>
#include <utility>

#include "netpoll/error.h"

namespace netpoll::http {
namespace {

using Clock = std::chrono::steady_clock;

// From a client's coming to the last byte of its answer.
constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMaxConnections = 4096;
constexpr std::size_t kMaxRequest = 16 << 10;
constexpr std::string_view kForbidden = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
constexpr std::string_view kTooLarge =
    "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

// A request that is there as a whole, and the answer to it.
class MemoryStream : public httplib::Stream {
 public:
  MemoryStream(std::string_view in, std::string& out) : in_(in), out_(out) {}

  bool is_readable() const override { return !in_.empty(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* buffer, size_t size) override {
    const std::size_t n = std::min(size, in_.size());
    std::copy_n(in_.data(), n, buffer);
    in_.remove_prefix(n);
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* bytes, size_t size) override {
    out_.append(bytes, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  socket_t socket() const override { return -1; }

 private:
  std::string_view in_;
  std::string& out_;
};

class Routes : public httplib::Server {
 public:
  void answer(std::string_view request, std::string& out) {
    MemoryStream stream(request, out);
    bool closed = false;
    process_request(stream, /*close_connection=*/true, closed, nullptr);
  }
};

struct Connection {
  Fd fd;
  Clock::time_point deadline;
  std::string in;
  std::string out;
  std::size_t sent = 0;
  bool answered = false;  // out is the whole answer
  bool done = false;      // to be closed

  bool complete() const { return in.find("\r\n\r\n") != std::string::npos || in.find("\n\n") != std::string::npos; }
};

bool watch(int epoll, int op, int fd, std::uint32_t events, void* what) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = what;
  return ::epoll_ctl(epoll, op, fd, &event) == 0;
}

}  // namespace

struct PageServer::State {
  State(Listening on, Fd events) : listening(std::move(on)), epoll(std::move(events)), address(listening.address()) {
    routes.set_payload_max_length(0);
    routes.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      if (listening.admits_host(request.get_header_value("Host"))) return Routes::HandlerResponse::Unhandled;
      response.status = 403;
      response.set_content("requests for localhost alone are answered here\n", "text/plain; charset=utf-8");
      return Routes::HandlerResponse::Handled;
    });
    routes.set_post_routing_handler([](const httplib::Request&, httplib::Response& response) {
      response.set_header("X-Content-Type-Options", "nosniff");
    });
  }

  void accept_all() {
    for (;;) {
      if (connections.size() >= kMaxConnections && !make_room()) return;
      Fd fd(::accept4(listening.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd.valid()) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if ((errno == EMFILE || errno == ENFILE) && make_room()) continue;
        return;
      }
      Connection& connection = connections.emplace_back();
      connection.deadline = Clock::now() + kPatience;
      connection.fd = std::move(fd);
      if (!watch(epoll.get(), EPOLL_CTL_ADD, connection.fd.get(), EPOLLIN, &connection)) {
        connections.pop_back();
        continue;
      }
      if (!listening.admits(connection.fd.get())) finish(connection, kForbidden);
    }
  }

  // Drops the one that has waited longest without being owed an answer.
  bool make_room() {
    for (Connection& connection : connections) {
      if (connection.done || (connection.answered && connection.sent < connection.out.size())) continue;
      if (!connection.answered && connection.complete()) continue;
      connection.done = true;
      connection.fd = Fd();
      return true;
    }
    return false;
  }

  static void read(Connection& connection) {
    std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t n = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        // One that was answered is done; one that was not will not ask any more, unless it asked already.
        if (n < 0 || connection.answered || !connection.complete()) connection.done = true;
        return;
      }
      if (connection.answered) continue;  // what it still sends must not make its kernel throw our answer away
      connection.in.append(buffer.data(), static_cast<std::size_t>(n));
      if (connection.in.size() > kMaxRequest) return;
    }
  }

  void finish(Connection& connection, std::string_view answer) {
    connection.out = answer;
    connection.answered = true;
    write(connection);
  }

  void write(Connection& connection) {
    while (connection.sent < connection.out.size()) {
      const ssize_t n = ::send(connection.fd.get(), connection.out.data() + connection.sent,
                               connection.out.size() - connection.sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) {
        // Not its end: a client may close its half as soon as it has asked.
        watch(epoll.get(), EPOLL_CTL_MOD, connection.fd.get(), EPOLLOUT, &connection);
        return;
      }
      if (n < 0) {
        connection.done = true;
        return;
      }
      connection.sent += static_cast<std::size_t>(n);
    }
    watch(epoll.get(), EPOLL_CTL_MOD, connection.fd.get(), EPOLLIN, &connection);
    ::shutdown(connection.fd.get(), SHUT_WR);  // it is closed when the client has done the same
  }

  void handle_events() {
    std::array<epoll_event, 256> events;
    // More than once, so that those who come together are answered together; not for ever.
    for (int round = 0; round < 16; ++round) {
      const int n = ::epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 0);
      for (int i = 0; i < n; ++i) {
        const epoll_event& event = events.at(static_cast<std::size_t>(i));
        auto* connection = static_cast<Connection*>(event.data.ptr);
        if (connection == nullptr) {
          accept_all();
        } else if (!connection->done) {
          if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read(*connection);
          if (!connection->done && connection->answered && (event.events & EPOLLOUT) != 0) write(*connection);
        }
      }
      if (n <= 0) return;
    }
  }

  void answer(Connection& connection) {
    if (connection.done || connection.answered) return;
    if (connection.in.size() > kMaxRequest) return finish(connection, kTooLarge);
    if (!connection.complete()) return;
    std::string out;
    routes.answer(connection.in, out);
    if (out.empty()) {
      connection.done = true;
    } else {
      finish(connection, out);
    }
  }

  void step() {
    handle_events();
    for (Connection& connection : connections) answer(connection);
    const auto now = Clock::now();
    connections.remove_if([now](const Connection& one) { return one.done || now >= one.deadline; });
  }

  Listening listening;
  Fd epoll;
  std::string address;
  Routes routes;
  std::list<Connection> connections;  // by age
};

PageServer::PageServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
PageServer::PageServer(PageServer&&) noexcept = default;
PageServer::~PageServer() = default;

Result<PageServer> PageServer::open(const std::string& address, const ListenOptions& options) {
  auto listening = Listening::open(address, options);
  if (!listening) return std::move(listening).error();
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return posix_error("epoll_create1", errno);
  auto state = std::make_unique<State>(std::move(*listening), std::move(epoll));
  if (!watch(state->epoll.get(), EPOLL_CTL_ADD, state->listening.fd(), EPOLLIN, nullptr)) {
    return posix_error("epoll_ctl", errno);
  }
  return PageServer(std::move(state));
}

void PageServer::get(const std::string& path, std::function<Page(const std::string& accept)> page) {
  state_->routes.Get(path, [page = std::move(page)](const httplib::Request& request, httplib::Response& response) {
    const Page answer = page(request.get_header_value("Accept"));
    response.set_content(answer.text, answer.type.c_str());
  });
}

const std::string& PageServer::address() const { return state_->address; }
int PageServer::fd() const { return state_->epoll.get(); }
void PageServer::step() { state_->step(); }

}  // namespace netpoll::http
