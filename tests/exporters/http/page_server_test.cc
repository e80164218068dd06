// The server of pages with clients that are many, slow, silent or gone.
#include "exporters/http/page_server.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/eventually.h"

using namespace netpoll;
using namespace netpoll::http;

namespace {

PageServer local_server() {
  auto server = PageServer::open("127.0.0.1:0", {.what = "test", .remote_switch = "none"});
  REQUIRE(server);
  return std::move(*server);
}

class Client {
 public:
  explicit Client(const PageServer& server, const std::string& request = "") {
    const Addr address = *Addr::parse(server.address());
    fd_ = Fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(connect(fd_.get(), address.data(), address.size()) == 0);
    REQUIRE(send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()));
  }

  // Also where another process has the socket.
  void leave() { REQUIRE(shutdown(fd_.get(), SHUT_RDWR) == 0); }

  // What has come; "" in the end where nothing did before the server closed.
  std::string answer(PageServer& server) {
    std::string text;
    const bool closed = test::eventually([&] {
      server.step();
      std::array<char, 4096> buffer;
      for (ssize_t n; (n = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) >= 0;) {
        if (n == 0) return true;
        text.append(buffer.data(), static_cast<std::size_t>(n));
      }
      return false;
    });
    return closed ? text : "never closed: " + text;
  }

 private:
  Fd fd_;
};

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"; }

}  // namespace

TEST_CASE("pages are found by their paths, and GET and HEAD alone are taken") {
  PageServer server = local_server();
  server.get("/hello", [](const Request& request) {
    return Page{.text = "hello " + std::string(request.parameter("who").value_or("nobody")) + "\n"};
  });
  CHECK(Client(server, get("/hello?who=you")).answer(server).ends_with("\r\n\r\nhello you\n"));
  const std::string head = Client(server, "HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n").answer(server);
  CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(head.find("\r\nContent-Length: 13\r\n") != std::string::npos);
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(Client(server, get("/hell")).answer(server).starts_with("HTTP/1.1 404 "));
  const std::string post = "POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
  CHECK(Client(server, post).answer(server).starts_with("HTTP/1.1 405 "));
  CHECK(Client(server, "GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n")
            .answer(server)
            .starts_with("HTTP/1.1 400 "));
  const std::string elsewhere = "GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
  CHECK(Client(server, elsewhere).answer(server).starts_with("HTTP/1.1 403 "));
  CHECK(Client(server, std::string(20'000, 'a')).answer(server).starts_with("HTTP/1.1 431 "));
}

TEST_CASE("a later page comes when its time has come, and others do not wait for it") {
  PageServer server = local_server();
  bool made = false;
  server.get("/later", [&made](const Request&) {
    return LaterPage{std::chrono::seconds(1), [&made] {
                       made = true;
                       return Page{.text = "at last\n"};
                     }};
  });
  server.get("/now", [](const Request&) { return Page{.text = "now\n"}; });
  CHECK(server.idle_ms() == -1);
  Client patient(server, get("/later"));
  CHECK(Client(server, get("/now")).answer(server).ends_with("\r\n\r\nnow\n"));
  CHECK(server.idle_ms() <= 1000);
  CHECK(patient.answer(server).ends_with("\r\n\r\nat last\n"));
  CHECK(made);
}

TEST_CASE("whoever leaves before a later page is made makes room for others") {
  PageServer server = local_server();
  server.get("/later", [](const Request&) {
    return LaterPage{std::chrono::hours(1), [] { return Page{.text = "never\n"}; }};
  });
  {
    std::vector<Client> waiting;
    for (int i = 0; i < 16; ++i) waiting.emplace_back(server, get("/later"));
    CHECK(Client(server, get("/later")).answer(server).starts_with("HTTP/1.1 503 "));
  }
  // Nobody is left, as soon as the server has seen them go.
  CHECK(test::eventually([&] {
    server.step();
    return server.idle_ms() == -1;
  }));
}

TEST_CASE("a connection that a child process has open as well is forgotten when it is dropped") {
  PageServer server = local_server();
  server.get("/now", [](const Request&) { return Page{.text = "now\n"}; });
  Client client(server);
  CHECK(test::eventually([&] {
    server.step();
    return server.idle_ms() != -1;
  }));
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  client.leave();  // without having asked
  CHECK(test::eventually([&] {
    server.step();
    return server.idle_ms() == -1;
  }));
  CHECK(Client(server, get("/now")).answer(server).ends_with("\r\n\r\nnow\n"));
  CHECK(test::eventually([&] {
    server.step();
    return server.idle_ms() == -1;
  }));
  pollfd look{server.fd(), POLLIN, 0};
  CHECK(poll(&look, 1, 0) == 0);
  REQUIRE(kill(child, SIGKILL) == 0);
  REQUIRE(waitpid(child, nullptr, 0) == child);
}

TEST_CASE("without a descriptor for a client it does not turn in circles") {
  PageServer server = local_server();
  server.get("/now", [](const Request&) { return Page{.text = "now\n"}; });
  Client client(server, get("/now"));
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit few{64, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  std::vector<Fd> taken;
  for (int fd; (fd = dup(server.fd())) >= 0;) taken.emplace_back(fd);
  server.step();
  pollfd look{server.fd(), POLLIN, 0};
  CHECK(poll(&look, 1, 0) == 0);
  CHECK(server.idle_ms() > 0);
  taken.clear();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(client.answer(server).ends_with("\r\n\r\nnow\n"));
}
