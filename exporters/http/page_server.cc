// An event loop of its own for connections: reads requests, has their pages made, writes the answers.
#include "exporters/http/page_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <utility>

#include "netpoll/error.h"

namespace netpoll::http {
namespace {

using Clock = std::chrono::steady_clock;

// For a request to arrive, and again for its answer to leave.
constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMaxConnections = 4096;
constexpr std::size_t kMaxRequest = 16 << 10;
// Until it looks again whether there is room for new clients.
constexpr int kRetryMs = 500;
// Whoever waits for a later page makes the program keep what that is made of.
constexpr std::size_t kMaxLater = 16;

struct Connection {
  Fd fd;
  Clock::time_point deadline;  // of its request or its answer; where a page comes later, when that is made
  std::string in;
  std::string out;
  std::size_t sent = 0;
  std::function<Page()> later;
  bool with_text = true;
  bool answered = false;  // out is the whole answer
  bool done = false;      // to be closed
};

bool watch(int epoll, int op, int fd, std::uint32_t events, void* what) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = what;
  return ::epoll_ctl(epoll, op, fd, &event) == 0;
}

}  // namespace

struct PageServer::State {
  State(Listening on, Fd events) : listening(std::move(on)), epoll(std::move(events)), address(listening.address()) {}

  // events: EPOLLIN, or 0 for a while without new clients.
  void listen_for(std::uint32_t events) {
    if (events == listening_for) return;
    listening_for = events;
    watch(epoll.get(), EPOLL_CTL_MOD, listening.fd(), events, nullptr);
  }

  void accept_all() {
    for (;;) {
      if (connections.size() >= kMaxConnections && !make_room()) return listen_for(0);
      Fd fd(::accept4(listening.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd.valid()) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EAGAIN) return;
        if ((errno == EMFILE || errno == ENFILE) && make_room()) continue;
        return listen_for(0);  // there is no room for it, but perhaps in a moment
      }
      Connection& connection = connections.emplace_back();
      connection.deadline = Clock::now() + kPatience;
      connection.fd = std::move(fd);
      if (!watch(epoll.get(), EPOLL_CTL_ADD, connection.fd.get(), EPOLLIN, &connection)) {
        connections.pop_back();
        continue;
      }
      if (!listening.admits(connection.fd.get())) finish(connection, {.text = "", .status = 403});
    }
  }

  // Closing alone would leave the registration where a child process has the file too, between fork and exec say, and
  // its events would be about a connection that is no more.
  void forget(Connection& connection) {
    connection.done = true;
    if (!connection.fd.valid()) return;
    watch(epoll.get(), EPOLL_CTL_DEL, connection.fd.get(), 0, nullptr);
    connection.fd = Fd();
  }

  // Drops the one that has waited longest without being owed an answer.
  bool make_room() {
    for (Connection& connection : connections) {
      if (connection.done || connection.later || (connection.answered && connection.sent < connection.out.size())) {
        continue;
      }
      if (!connection.answered && head_size(connection.in)) continue;
      forget(connection);
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
        // One that was answered is done; one that was not will not ask any more, unless it asked already. Whether a
        // page that comes later would still be wanted cannot be told from whether it has been given up.
        if (n < 0 || connection.answered || connection.later || !head_size(connection.in)) connection.done = true;
        return;
      }
      // What it still sends must not make its kernel throw our answer away (RFC 9112, 9.6).
      if (connection.answered || connection.later) continue;
      connection.in.append(buffer.data(), static_cast<std::size_t>(n));
      if (connection.in.size() > kMaxRequest) return;
    }
  }

  void finish(Connection& connection, const Page& page) {
    connection.out = response_of(page, connection.with_text);
    connection.answered = true;
    connection.deadline = Clock::now() + kPatience;
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

  std::variant<Page, LaterPage> page_for(const ParsedRequest& parsed) const {
    if (!parsed.request) return parsed.refusal;
    const Request& request = *parsed.request;
    if (!listening.admits_host(request.host)) {
      return Page{.text = "requests for localhost alone are answered here\n", .status = 403};
    }
    if (request.method != "GET" && request.method != "HEAD") {
      return Page{.text = "pages can be read here, and nothing else\n", .status = 405};
    }
    const auto maker = makers.find(request.path);
    if (maker != makers.end()) return maker->second(request);
    std::string paths;
    for (const auto& [path, unused] : makers) paths += (paths.empty() ? "" : ", ") + path;
    return Page{.text = "there is " + paths + "\n", .status = 404};
  }

  void answer(Connection& connection) {
    if (connection.done || connection.answered || connection.later) return;
    const auto size = head_size(connection.in);
    if (!size) {
      if (connection.in.size() > kMaxRequest) {
        finish(connection, {.text = "a request may have " + std::to_string(kMaxRequest) + " bytes\n", .status = 431});
      }
      return;
    }
    const ParsedRequest parsed = parse_request(std::string_view(connection.in).substr(0, *size));
    connection.with_text = !parsed.request || parsed.request->method != "HEAD";
    auto page = page_for(parsed);
    if (const auto* now = std::get_if<Page>(&page)) return finish(connection, *now);
    const auto waiting =
        std::count_if(connections.begin(), connections.end(), [](const Connection& one) { return bool(one.later); });
    if (static_cast<std::size_t>(waiting) >= kMaxLater) {
      return finish(connection, {.text = "others wait for later pages: ask again\n", .status = 503});
    }
    auto& later = std::get<LaterPage>(page);
    connection.deadline = Clock::now() + later.after;
    connection.later = std::move(later.page);
  }

  void step() {
    listen_for(EPOLLIN);
    handle_events();
    // Before pages are made: how long that takes is no client's fault.
    const auto now = Clock::now();
    for (Connection& connection : connections) {
      answer(connection);
      if (connection.later && !connection.done && now >= connection.deadline) {
        const auto page = std::exchange(connection.later, nullptr);
        finish(connection, page());
      }
    }
    for (Connection& connection : connections) {
      if (connection.done || now >= connection.deadline) forget(connection);
    }
    connections.remove_if([](const Connection& one) { return one.done; });
  }

  int idle_ms() const {
    if (listening_for == 0) return kRetryMs;
    if (connections.empty()) return -1;
    const auto first = std::min_element(connections.begin(), connections.end(), [](const auto& one, const auto& other) {
      return one.deadline < other.deadline;
    });
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(first->deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
  }

  Listening listening;
  Fd epoll;
  std::uint32_t listening_for = EPOLLIN;
  std::string address;
  std::map<std::string, PageMaker> makers;
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

void PageServer::get(const std::string& path, PageMaker maker) { state_->makers[path] = std::move(maker); }
const std::string& PageServer::address() const { return state_->address; }
int PageServer::fd() const { return state_->epoll.get(); }
int PageServer::idle_ms() const { return state_->idle_ms(); }
void PageServer::step() { state_->step(); }

}  // namespace netpoll::http
