// Listeners of every family, alone and sharing a port.
#include "netpoll/net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/dial.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;
using test::Checks;
using test::outcome;
using test::read_all;
using test::read_some;

int option(const RawConn& raw, int level, int name) {
  int value = -1;
  static_cast<void>(raw.control([&](int fd) {
    socklen_t size = sizeof value;
    getsockopt(fd, level, name, &value, &size);
  }));
  return value;
}

void echo_once(Checks& checks, const Listener& listener, const Addr& target) {
  WaitGroup done;
  done.go([&] {
    auto client = dial(target);
    EXPECT_EQUAL(checks, outcome(client), "ok");
    if (!client) return;
    EXPECT_EQUAL(checks, outcome(client->write("ping")), "ok");
    EXPECT_EQUAL(checks, read_all(*client), "ping");
  });
  auto server = const_cast<Listener&>(listener).accept();
  EXPECT_EQUAL(checks, outcome(server), "ok");
  if (server) {
    EXPECT_EQUAL(checks, outcome(server->write(read_some(*server))), "ok");
    EXPECT_EQUAL(checks, outcome(server->close()), "ok");
  }
  done.wait();
}

// Lowers the limit of descriptors so that exactly `spare` numbers are left.
class FewDescriptors {
 public:
  explicit FewDescriptors(int spare) {
    getrlimit(RLIMIT_NOFILE, &old_);
    // The limit is on the number, and numbers may have gaps: fill them.
    for (;;) {
      const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
      fillers_.push_back(fd);
      if (static_cast<int>(test::open_descriptors()) <= fd + 3) continue;
      rlimit limit = old_;
      limit.rlim_cur = static_cast<rlim_t>(fd + 1 + spare);
      setrlimit(RLIMIT_NOFILE, &limit);
      return;
    }
  }
  ~FewDescriptors() {
    restore();
    for (int fd : fillers_) close(fd);
  }
  void restore() { setrlimit(RLIMIT_NOFILE, &old_); }

 private:
  rlimit old_{};
  std::vector<int> fillers_;
};

}  // namespace

TEST_CASE("TCP, IPv6 and Unix listeners accept") {
  test::in_every_setup([](Checks& checks) {
    const std::string path = "unix:" + test::fresh_path("listen");
    for (const std::string& address :
         {std::string("127.0.0.1:0"), std::string("[::1]:0"), path, "unix:@" + test::fresh_path("abstract")}) {
      auto listener = Listener::listen(address);
      if (!listener && address == "[::1]:0") continue;  // no IPv6 here
      EXPECT_EQUAL(checks, outcome(listener), "ok");
      if (!listener) continue;
      echo_once(checks, *listener, listener->local());
    }
  });
}

TEST_CASE("an IPv6 wildcard takes IPv4 connections, too") {
  test::in_default_setup([](Checks& checks) {
    auto listener = Listener::listen(":0");
    if (!listener) return;  // no IPv6 here
    echo_once(checks, *listener, Addr::loopback(listener->local().port()));
  });
}

TEST_CASE("many connections at once are all accepted, by several goroutines") {
  test::in_every_setup([](Checks& checks) {
    constexpr int kClients = 200;
    auto listener = Listener::listen("127.0.0.1:0");
    std::atomic<int> served{0}, answered{0};
    WaitGroup done, acceptors;
    for (int i = 0; i < 3; ++i) {
      acceptors.go([&] {
        for (;;) {
          auto accepted = listener->accept();
          if (!accepted) return;
          ++served;
          done.go([conn = std::move(*accepted)]() mutable { static_cast<void>(conn.write(read_some(conn))); });
        }
      });
    }
    WaitGroup clients;
    for (int i = 0; i < kClients; ++i) {
      clients.go([&] {
        auto conn = dial(listener->local());
        if (conn && conn->write("hi") && read_all(*conn) == "hi") ++answered;
      });
    }
    clients.wait();
    EXPECT_EQUAL(checks, outcome(listener->close()), "ok");
    acceptors.wait();
    done.wait();
    EXPECT_EQUAL(checks, served.load(), kClients);
    EXPECT_EQUAL(checks, answered.load(), kClients);
  });
}

TEST_CASE("accepted and dialled connections have TCP_NODELAY unless told otherwise") {
  test::in_default_setup([](Checks& checks) {
    for (const bool wanted : {true, false}) {
      auto listener = Listener::listen("127.0.0.1:0", {.no_delay = wanted});
      auto client = dial(listener->local(), {.no_delay = wanted});
      auto server = listener->accept();
      EXPECT_EQUAL(checks, option(server->raw(), IPPROTO_TCP, TCP_NODELAY) != 0, wanted);
      EXPECT_EQUAL(checks, option(client->raw(), IPPROTO_TCP, TCP_NODELAY) != 0, wanted);
    }
  });
}

TEST_CASE("the control hook runs on a socket that is not bound yet, and may refuse") {
  test::in_default_setup([](Checks& checks) {
    int port_in_hook = -1;
    auto listener = Listener::listen("127.0.0.1:0", {.control = [&](int fd) -> Result<void> {
                                       sockaddr_in in{};
                                       socklen_t size = sizeof in;
                                       getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size);
                                       port_in_hook = ntohs(in.sin_port);
                                       const int keep = 1;
                                       setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keep, sizeof keep);
                                       return {};
                                     }});
    EXPECT_EQUAL(checks, port_in_hook, 0);
    EXPECT_THAT(checks, listener->local().port() != 0);
    EXPECT_EQUAL(checks, option(listener->raw(), SOL_SOCKET, SO_KEEPALIVE), 1);
    auto refused = Listener::listen(
        "127.0.0.1:0", {.control = [](int) -> Result<void> { return Error(ErrorKind::kPermission, "not today"); }});
    EXPECT_EQUAL(checks, outcome(refused), "permission");
    EXPECT_EQUAL(checks, refused.error().context(), "listen 127.0.0.1:0: not today");
  });
}

TEST_CASE("with reuse_port several listeners share a port and all get connections") {
  test::in_every_setup([](Checks& checks) {
    auto first = Listener::listen("127.0.0.1:0", {.reuse_port = true});
    auto second = Listener::listen(first->local(), {.reuse_port = true});
    EXPECT_EQUAL(checks, outcome(second), "ok");
    EXPECT_EQUAL(checks, outcome(Listener::listen(first->local())), "system");
    constexpr int kClients = 64;
    std::atomic<int> counts[2] = {0, 0};
    WaitGroup acceptors;
    Listener* listeners[2] = {&*first, &*second};
    for (int i = 0; i < 2; ++i) {
      acceptors.go([&, i] {
        while (auto conn = listeners[i]->accept()) {
          ++counts[i];
          static_cast<void>(conn->write("x"));
        }
      });
    }
    for (int i = 0; i < kClients; ++i) {
      auto conn = dial(first->local());
      EXPECT_THAT(checks, conn && read_all(*conn) == "x");
    }
    EXPECT_EQUAL(checks, outcome(first->close()), "ok");
    EXPECT_EQUAL(checks, outcome(second->close()), "ok");
    acceptors.wait();
    EXPECT_EQUAL(checks, counts[0] + counts[1], kClients);
    EXPECT_THAT(checks, counts[0] > 0 && counts[1] > 0);
  });
}

TEST_CASE("the file of a Unix listener goes with it, unless it is to stay") {
  test::in_default_setup([](Checks& checks) {
    for (const bool goes : {true, false}) {
      const std::string path = test::fresh_path("unlink");
      struct stat status;
      {
        auto listener = Listener::listen("unix:" + path, {.unlink_on_close = goes});
        EXPECT_EQUAL(checks, stat(path.c_str(), &status), 0);
        auto second = Listener::listen("unix:" + path);
        EXPECT_THAT(checks, !second && second.error().sys_errno() == EADDRINUSE && !second.error().hint().empty());
      }
      EXPECT_EQUAL(checks, stat(path.c_str(), &status), goes ? -1 : 0);
      unlink(path.c_str());
    }
  });
}

TEST_CASE("a listener without descriptors backs off, says so, and goes on") {
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    // A first registration, so that the poller has its descriptors.
    auto warm_up = dial(listener->local());
    auto warm_up_server = listener->accept();
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::string end;
    WaitGroup done;
    {
      FewDescriptors few(0);
      const Addr target = listener->local();
      EXPECT_EQUAL(checks, connect(client, target.data(), target.size()), 0);
      done.go([&] {
        auto conn = listener->accept();
        end = outcome(conn);
      });
      EXPECT_THAT(checks, test::soon([&] { return listener->backoffs() >= 3; }));
      EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kAcceptBackoff));
      few.restore();
      done.wait();
    }
    EXPECT_EQUAL(checks, end, "ok");
    close(client);
  });
}

TEST_CASE("close and deadlines end a listener's pause") {
  test::in_every_setup([](Checks& checks) {
    for (const bool by_close : {true, false}) {
      auto listener = Listener::listen("127.0.0.1:0");
      auto warm_up = dial(listener->local());
      auto warm_up_server = listener->accept();
      const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      std::string end;
      WaitGroup done;
      FewDescriptors few(0);
      const Addr target = listener->local();
      EXPECT_EQUAL(checks, connect(client, target.data(), target.size()), 0);
      done.go([&] { end = outcome(listener->accept()); });
      EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kAcceptBackoff));
      EXPECT_EQUAL(checks, outcome(by_close ? listener->close() : listener->set_deadline(after(-1s))), "ok");
      done.wait();
      EXPECT_EQUAL(checks, end, by_close ? "closing" : "timeout");
      close(client);
    }
  });
}

TEST_CASE("a listening socket from elsewhere is adopted, with its blocking flag cleared") {
  test::in_every_setup([](Checks& checks) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const Addr any = Addr::loopback();
    EXPECT_EQUAL(checks, bind(fd, any.data(), any.size()), 0);
    EXPECT_EQUAL(checks, listen(fd, 8), 0);
    auto listener = Listener::adopt(Fd(fd));
    EXPECT_EQUAL(checks, outcome(listener), "ok");
    EXPECT_THAT(checks, (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    echo_once(checks, *listener, listener->local());
    EXPECT_EQUAL(checks, outcome(Listener::adopt(Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)))), "invalid");
  });
}

TEST_CASE("listening on a foreign address fails and names it") {
  test::in_default_setup([](Checks& checks) {
    auto listener = Listener::listen("192.0.2.1:0");
    EXPECT_THAT(checks, !listener && listener.error().sys_errno() == EADDRNOTAVAIL);
    EXPECT_EQUAL(checks, listener.error().context(), "listen 192.0.2.1:0: bind");
    EXPECT_EQUAL(checks, outcome(Listener::listen("nonsense")), "invalid");
    Listener nothing;
    EXPECT_EQUAL(checks, outcome(nothing.accept()), "closing");
    EXPECT_EQUAL(checks, outcome(nothing.close()), "closing");
    EXPECT_THAT(checks, !nothing.local().valid());
  });
}

}  // namespace netpoll
