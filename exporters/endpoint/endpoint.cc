// The endpoint's threads, and its routes.
#include "netpoll/debug/endpoint.h"

#include <httplib.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <list>
#include <mutex>
#include <utility>

#include "exporters/endpoint/pages.h"
#include "exporters/http/listening.h"
#include "libruntime/base/thread.h"
#include "netpoll/error.h"

namespace netpoll::debug {
namespace {

using http::Listening;
using Clock = std::chrono::steady_clock;

// Clients at once, and how long one request may take to arrive and its answer to leave.
constexpr std::size_t kMaxConnections = 16;
constexpr std::chrono::seconds kPatience{10};
// The longest time that a difference may be made over.
constexpr std::chrono::seconds kMaxDifference = std::chrono::hours(24);

std::string default_address() {
  const char* folder = std::getenv("XDG_RUNTIME_DIR");
  const bool usable = folder != nullptr && folder[0] == '/' && access(folder, W_OK) == 0;
  return "unix:" + std::string(usable ? folder : "/tmp") + "/netpoll-" + std::to_string(getpid()) + ".sock";
}

// A connection as httplib reads and writes it. What lies between is bounded by one deadline, not by one for each byte.
class ConnectionStream : public httplib::Stream {
 public:
  ConnectionStream(int fd, int stop) : fd_(fd), stop_(stop), deadline_(Clock::now() + kPatience) {}

  bool is_readable() const override { return wait(POLLIN); }
  bool is_writable() const override { return wait(POLLOUT); }
  ssize_t read(char* buffer, size_t size) override {
    if (at_ == filled_) {
      if (!wait(POLLIN)) return -1;
      const ssize_t n = recv(fd_, buffer_.data(), buffer_.size(), 0);
      if (n <= 0) return n;
      at_ = 0;
      filled_ = static_cast<std::size_t>(n);
    }
    // httplib asks for a line byte by byte.
    const std::size_t n = std::min(size, filled_ - at_);
    std::copy_n(buffer_.data() + at_, n, buffer);
    at_ += n;
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* bytes, size_t size) override {
    if (!wait(POLLOUT)) return -1;
    return send(fd_, bytes, size, MSG_NOSIGNAL);
  }
  void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  socket_t socket() const override { return fd_; }

  // False where the client leaves meanwhile or the endpoint ends. The answer has as long as ever.
  bool wait_for(std::chrono::seconds time) {
    for (const auto until = Clock::now() + time;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
      deadline_ = Clock::now() + kPatience;
      if (left <= 0) return true;
      std::array<pollfd, 2> fds = {{{fd_, POLLRDHUP, 0}, {stop_, POLLIN, 0}}};
      if (poll(fds.data(), fds.size(), static_cast<int>(left)) > 0) return false;
    }
  }

 private:
  bool wait(short events) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 2> fds = {{{fd_, events, 0}, {stop_, POLLIN, 0}}};
    return poll(fds.data(), fds.size(), static_cast<int>(left)) > 0 && fds[1].revents == 0;
  }

  int fd_;
  int stop_;
  Clock::time_point deadline_;
  std::array<char, 4096> buffer_{};
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
};

// httplib's parser and routes over connections that we accept: so we know who is there before a byte is read.
class Routes : public httplib::Server {
 public:
  Routes(const Runtime& runtime, const Listening& listening) {
    set_payload_max_length(0);
    set_pre_routing_handler([&listening](const httplib::Request& request, httplib::Response& response) {
      if (listening.admits_host(request.get_header_value("Host"))) return HandlerResponse::Unhandled;
      return refuse(response, 403, "this endpoint answers requests for localhost alone\n");
    });
    Get("/debug/pprof/?", [&runtime](const httplib::Request&, httplib::Response& response) {
      response.set_content(index_page(runtime), "text/html; charset=utf-8");
    });
    Get("/debug/pprof/goroutine", [&runtime](const httplib::Request& request, httplib::Response& response) {
      goroutine_page(runtime, request, response);
    });
    Get("/debug/netpoll", [&runtime](const httplib::Request& request, httplib::Response& response) {
      response.set_content(formatted_snapshot(runtime, "json", wants_all(request)), "application/json");
    });
    Get("/metrics", [&runtime](const httplib::Request& request, httplib::Response& response) {
      const auto page = exporters::metrics_page(metrics_of(runtime), request.get_header_value("Accept"));
      response.set_content(page.text, page.type.c_str());
    });
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty()) response.set_content("there is /debug/pprof/, /debug/netpoll and /metrics\n", kText);
    });
    set_post_routing_handler([](const httplib::Request&, httplib::Response& response) {
      response.set_header("X-Content-Type-Options", "nosniff");
    });
  }

  // Answers one request.
  void answer(ConnectionStream& stream) {
    bool closed = false;
    connection = &stream;
    process_request(stream, /*close_connection=*/true, closed, nullptr);
    connection = nullptr;
  }

 private:
  static constexpr const char* kText = "text/plain; charset=utf-8";

  // What this thread answers: handlers are not told.
  static thread_local ConnectionStream* connection;

  static HandlerResponse refuse(httplib::Response& response, int status, const char* why) {
    response.status = status;
    response.set_content(why, kText);
    return HandlerResponse::Handled;
  }

  static bool wants_all(const httplib::Request& request) { return request.get_param_value("all") == "1"; }

  static void goroutine_page(const Runtime& runtime, const httplib::Request& request, httplib::Response& response) {
    const std::string debug = request.get_param_value("debug");
    if (request.has_param("seconds")) {
      difference_page(runtime, request, response);
    } else if (debug.empty() || debug == "0") {
      response.set_header("Content-Disposition", "attachment; filename=\"goroutine\"");
      response.set_content(formatted_snapshot(runtime, "pprof", wants_all(request)), "application/octet-stream");
    } else if (debug == "1" || debug == "2") {
      response.set_content(formatted_snapshot(runtime, "debug" + debug, wants_all(request)), kText);
    } else {
      refuse(response, 400, "debug is 0, 1 or 2\n");
    }
  }

  // What Go's endpoint answers for a while of so many seconds (net/http/pprof, serveDeltaProfile).
  static void difference_page(const Runtime& runtime, const httplib::Request& request, httplib::Response& response) {
    const std::string text = request.get_param_value("seconds");
    const std::string debug = request.get_param_value("debug");
    int seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size() || seconds < 1 || seconds > kMaxDifference.count()) {
      refuse(response, 400, "seconds is a whole number from 1 to 86400\n");
      return;
    }
    if (!debug.empty() && debug != "0") {
      refuse(response, 400, "seconds and debug exclude each other: a difference is a profile\n");
      return;
    }
    const trace::GoroutineSnapshot earlier = runtime.snapshot();
    if (!connection->wait_for(std::chrono::seconds(seconds))) {
      refuse(response, 503, "the endpoint ends\n");  // or nobody is there to be answered
      return;
    }
    response.set_header("Content-Disposition", "attachment; filename=\"goroutine-delta\"");
    response.set_content(formatted_difference(runtime, earlier, wants_all(request)), "application/octet-stream");
  }
};

thread_local ConnectionStream* Routes::connection = nullptr;

}  // namespace

struct Endpoint::Server {
  Server(const Runtime& runtime, Listening listening_on, Fd stop_event)
      : listening(std::move(listening_on)),
        address(listening.address()),
        stop(std::move(stop_event)),
        routes(runtime, listening) {
    base::start_thread(acceptor, accept_loop, this, "netpoll-debug");
  }

  ~Server() {
    const std::uint64_t one = 1;
    (void)!write(stop.get(), &one, sizeof(one));
    pthread_join(acceptor, nullptr);
  }

  // A connection and its thread.
  struct Client {
    Server* server;
    Fd fd;
    pthread_t thread{};
    std::atomic<bool> done{false};
  };

  static void* accept_loop(void* arg) {
    static_cast<Server*>(arg)->accept_all();
    return nullptr;
  }

  static void* serve_client(void* arg) {
    auto& client = *static_cast<Client*>(arg);
    ConnectionStream stream(client.fd.get(), client.server->stop.get());
    client.server->routes.answer(stream);
    // Before the client learns that it was answered: its next connection must not be one too many because of this one.
    client.done.store(true, std::memory_order_release);
    // What the client still sends must not make its kernel throw our answer away (RFC 9112, 9.6).
    shutdown(client.fd.get(), SHUT_WR);
    return nullptr;
  }

  void accept_all() {
    std::list<Client> clients;
    const auto reap = [&clients](bool all) {
      for (auto client = clients.begin(); client != clients.end();) {
        if (!all && !client->done.load(std::memory_order_acquire)) {
          ++client;
          continue;
        }
        pthread_join(client->thread, nullptr);
        client = clients.erase(client);
      }
    };
    for (;;) {
      // While some are served it looks again soon for those that are done.
      constexpr int kReapEvery = 500;
      std::array<pollfd, 2> fds = {{{listening.fd(), POLLIN, 0}, {stop.get(), POLLIN, 0}}};
      poll(fds.data(), fds.size(), clients.empty() ? -1 : kReapEvery);
      reap(false);
      if (fds[1].revents != 0) break;
      if ((fds[0].revents & POLLIN) == 0) continue;
      Fd fd(accept4(listening.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd.valid()) {
        // Out of descriptors or memory: it is still there in a moment.
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) poll(&fds[1], 1, kReapEvery);
        continue;
      }
      if (!listening.admits(fd.get()) || clients.size() >= kMaxConnections) {
        const bool full = clients.size() >= kMaxConnections;
        const std::string_view answer = full ? "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
                                             : "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        (void)!send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
        continue;
      }
      Client& client = clients.emplace_back();
      client.server = this;
      client.fd = std::move(fd);
      base::start_thread(client.thread, serve_client, &client, "netpoll-debug");
    }
    reap(true);
  }

  Listening listening;
  std::string address;
  Fd stop;
  Routes routes;
  pthread_t acceptor{};
};

Endpoint::Endpoint(std::unique_ptr<Server> server) : server_(std::move(server)) {}
Endpoint::Endpoint(Endpoint&&) noexcept = default;
Endpoint& Endpoint::operator=(Endpoint&&) noexcept = default;
Endpoint::~Endpoint() = default;

const std::string& Endpoint::address() const { return server_->address; }

Result<Endpoint> serve(const Runtime& runtime, const EndpointOptions& options) {
  auto listening = Listening::open(options.address.empty() ? default_address() : options.address,
                                   {.what = "debug endpoint",
                                    .remote_switch = "EndpointOptions::allow_remote",
                                    .allow_remote = options.allow_remote});
  if (!listening) return std::move(listening).error();
  Fd stop(eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return posix_error("debug endpoint: eventfd", errno);
  return Endpoint(std::make_unique<Endpoint::Server>(runtime, std::move(*listening), std::move(stop)));
}

}  // namespace netpoll::debug
