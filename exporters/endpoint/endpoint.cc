// The endpoint's thread, and what it serves.
#include "netpoll/debug/endpoint.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "exporters/endpoint/pages.h"
#include "exporters/http/page_server.h"
#include "libruntime/base/thread.h"
#include "netpoll/error.h"

namespace netpoll::debug {
namespace {

using http::LaterPage;
using http::Page;
using http::PageServer;
using http::Request;

// The longest time that a difference may be made over.
constexpr std::chrono::seconds kMaxDifference = std::chrono::hours(24);

std::string default_address() {
  const char* folder = std::getenv("XDG_RUNTIME_DIR");
  const bool usable = folder != nullptr && folder[0] == '/' && access(folder, W_OK) == 0;
  return "unix:" + std::string(usable ? folder : "/tmp") + "/netpoll-" + std::to_string(getpid()) + ".sock";
}

bool wants_all(const Request& request) { return request.parameter("all") == "1"; }

Page wrong(const char* why) { return {.text = why, .status = 400}; }

// What Go's endpoint answers for a while of so many seconds (net/http/pprof, serveDeltaProfile).
std::variant<Page, LaterPage> difference_page(const Runtime& runtime, const Request& request) {
  const std::string_view text = request.parameter("seconds").value_or("");
  const std::string_view debug = request.parameter("debug").value_or("");
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 1 || seconds > kMaxDifference.count()) {
    return wrong("seconds is a whole number from 1 to 86400\n");
  }
  if (!debug.empty() && debug != "0") {
    return wrong("seconds and debug exclude each other: a difference is a profile\n");
  }
  return LaterPage{std::chrono::seconds(seconds), [&runtime, earlier = runtime.snapshot(), all = wants_all(request)] {
                     return Page{.text = formatted_difference(runtime, earlier, all),
                                 .type = "application/octet-stream",
                                 .file_name = "goroutine-delta"};
                   }};
}

std::variant<Page, LaterPage> goroutine_page(const Runtime& runtime, const Request& request) {
  const std::string_view debug = request.parameter("debug").value_or("");
  if (request.parameter("seconds")) return difference_page(runtime, request);
  if (debug.empty() || debug == "0") {
    return Page{.text = formatted_snapshot(runtime, "pprof", wants_all(request)),
                .type = "application/octet-stream",
                .file_name = "goroutine"};
  }
  if (debug != "1" && debug != "2") return wrong("debug is 0, 1 or 2\n");
  return Page{.text = formatted_snapshot(runtime, "debug" + std::string(debug), wants_all(request))};
}

void add_pages(PageServer& server, const Runtime& runtime) {
  for (const char* path : {"/debug/pprof", "/debug/pprof/"}) {
    server.get(path, [&runtime](const Request&) {
      return Page{.text = index_page(runtime), .type = "text/html; charset=utf-8"};
    });
  }
  server.get("/debug/pprof/goroutine", [&runtime](const Request& request) { return goroutine_page(runtime, request); });
  server.get("/debug/netpoll", [&runtime](const Request& request) {
    return Page{.text = formatted_snapshot(runtime, "json", wants_all(request)), .type = "application/json"};
  });
  server.get("/metrics", [&runtime](const Request& request) {
    auto page = exporters::metrics_page(metrics_of(runtime), request.header("accept"));
    return Page{.text = std::move(page.text), .type = std::move(page.type)};
  });
}

}  // namespace

struct Endpoint::Server {
  Server(PageServer pages, Fd stop_event) : server(std::move(pages)), stop(std::move(stop_event)) {
    base::start_thread(thread, serve_loop, this, "netpoll-debug");
  }

  ~Server() {
    const std::uint64_t one = 1;
    (void)!write(stop.get(), &one, sizeof(one));
    pthread_join(thread, nullptr);
  }

  static void* serve_loop(void* arg) {
    auto& self = *static_cast<Server*>(arg);
    for (;;) {
      std::array<pollfd, 2> fds = {{{self.server.fd(), POLLIN, 0}, {self.stop.get(), POLLIN, 0}}};
      poll(fds.data(), fds.size(), self.server.idle_ms());
      if (fds[1].revents != 0) return nullptr;
      self.server.step();
    }
  }

  PageServer server;
  Fd stop;
  pthread_t thread{};
};

Endpoint::Endpoint(std::unique_ptr<Server> server) : server_(std::move(server)) {}
Endpoint::Endpoint(Endpoint&&) noexcept = default;
Endpoint& Endpoint::operator=(Endpoint&&) noexcept = default;
Endpoint::~Endpoint() = default;

const std::string& Endpoint::address() const { return server_->server.address(); }

Result<Endpoint> serve(const Runtime& runtime, const EndpointOptions& options) {
  auto server = PageServer::open(options.address.empty() ? default_address() : options.address,
                                 {.what = "debug endpoint",
                                  .remote_switch = "EndpointOptions::allow_remote",
                                  .allow_remote = options.allow_remote});
  if (!server) return std::move(server).error();
  add_pages(*server, runtime);
  Fd stop(eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return posix_error("debug endpoint: eventfd", errno);
  return Endpoint(std::make_unique<Endpoint::Server>(std::move(*server), std::move(stop)));
}

}  // namespace netpoll::debug
