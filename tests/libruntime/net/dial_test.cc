// Dials that succeed, are refused, time out or are cancelled.
#include "netpoll/net/dial.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/listener.h"
#include "netpoll/sync/context.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;
using test::Checks;
using test::outcome;
using test::read_some;

// A TCP address that answers no SYN: a listener that accepts nobody, with its backlog full.
class DeafListener {
 public:
  explicit DeafListener(const Addr& address) {
    const int type = SOCK_STREAM | SOCK_CLOEXEC;
    fds_.push_back(socket(address.family(), type, 0));
    bind(fds_[0], address.data(), address.size());
    listen(fds_[0], 0);
    sockaddr_storage storage;
    socklen_t size = sizeof storage;
    getsockname(fds_[0], reinterpret_cast<sockaddr*>(&storage), &size);
    address_ = Addr::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), size);
    for (int i = 0; i < 4; ++i) {
      fds_.push_back(socket(address.family(), type | SOCK_NONBLOCK, 0));
      connect(fds_.back(), address_.data(), address_.size());
    }
  }
  ~DeafListener() {
    for (int fd : fds_) close(fd);
  }
  const Addr& address() const { return address_; }
  int listener() const { return fds_[0]; }

 private:
  std::vector<int> fds_;
  Addr address_;
};

Addr unused_address() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const Addr any = Addr::loopback();
  bind(fd, any.data(), any.size());
  sockaddr_storage storage;
  socklen_t size = sizeof storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  close(fd);
  return Addr::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), size);
}

}  // namespace

TEST_CASE("a dial that nobody answers is refused and says where") {
  test::in_every_setup([](Checks& checks) {
    const Addr nobody = unused_address();
    auto conn = dial(nobody);
    EXPECT_THAT(checks, !conn && conn.error().sys_errno() == ECONNREFUSED);
    EXPECT_EQUAL(checks, conn.error().message(), "dial " + nobody.str() + ": Connection refused");
    auto missing = dial("unix:" + test::fresh_path("nobody"));
    EXPECT_EQUAL(checks, outcome(missing), "not-found");
    EXPECT_EQUAL(checks, outcome(dial(Addr())), "invalid");
    EXPECT_EQUAL(checks, outcome(dial("nonsense")), "invalid");
  });
}

TEST_CASE("a deadline ends a dial") {
  test::in_every_setup([](Checks& checks) {
    DeafListener deaf(Addr::loopback());
    auto conn = dial(deaf.address(), {.deadline = after(20ms)});
    EXPECT_EQUAL(checks, outcome(conn), "timeout");
    EXPECT_EQUAL(checks, conn.error().context(), "dial " + deaf.address().str());
    EXPECT_EQUAL(checks, outcome(dial(deaf.address(), {.deadline = after(-1s)})), "timeout");
  });
}

TEST_CASE("a deadline of the dial is none of the connection") {
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    auto client = dial(listener->local(), {.deadline = after(10s)});
    auto server = listener->accept();
    EXPECT_EQUAL(checks, outcome(client->write("x")), "ok");
    EXPECT_EQUAL(checks, read_some(*server), "x");
  });
}

TEST_CASE("a cancelled context ends a dial") {
  test::in_every_setup([](Checks& checks) {
    DeafListener deaf(Addr::loopback());
    Context context;
    std::string end;
    WaitGroup done;
    std::atomic<int> number{-1};
    done.go([&] {
      end = outcome(dial(deaf.address(), {.cancel = &context, .control = [&](int fd) -> Result<void> {
                                            number = fd;
                                            return {};
                                          }}));
    });
    EXPECT_THAT(checks, test::soon([&] { return number >= 0; }));
    EXPECT_THAT(checks, test::parked_on(checks, number, 1));
    context.cancel();
    done.wait();
    EXPECT_EQUAL(checks, end, "canceled");
    EXPECT_EQUAL(checks, outcome(dial(deaf.address(), {.cancel = &context})), "canceled");

    Context timed = Context().with_timeout(10ms);
    EXPECT_EQUAL(checks, outcome(dial(deaf.address(), {.cancel = &timed})), "timeout");
  });
}

TEST_CASE("a dial to a Unix listener with a full backlog waits for room") {
  test::in_every_setup([](Checks& checks) {
    DeafListener deaf(*Addr::parse("unix:@" + test::fresh_path("full")));
    EXPECT_EQUAL(checks, outcome(dial(deaf.address(), {.deadline = after(10ms)})), "timeout");
    std::string end;
    WaitGroup done;
    done.go([&] { end = outcome(dial(deaf.address())); });
    EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kSleep));
    close(accept(deaf.listener(), nullptr, nullptr));
    done.wait();
    EXPECT_EQUAL(checks, end, "ok");
  });
}

TEST_CASE("a dial can be bound, and its control hook comes first") {
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    const Addr local = *Addr::parse("127.0.0.2:0");
    bool unbound_in_hook = false;
    auto client = dial(listener->local(), {.local = local, .control = [&](int fd) -> Result<void> {
                                             sockaddr_in in{};
                                             socklen_t size = sizeof in;
                                             getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size);
                                             unbound_in_hook = in.sin_port == 0 && in.sin_addr.s_addr == 0;
                                             return {};
                                           }});
    EXPECT_EQUAL(checks, outcome(client), "ok");
    EXPECT_THAT(checks, unbound_in_hook);
    EXPECT_EQUAL(checks, client->local().with_port(0).str(), "127.0.0.2:0");
    auto refused = dial(listener->local(),
                        {.control = [](int) -> Result<void> { return Error(ErrorKind::kPermission, "not today"); }});
    EXPECT_EQUAL(checks, outcome(refused), "permission");
  });
}

TEST_CASE("a socket that would connect to itself is refused") {
  test::in_every_setup([](Checks& checks) {
    const Addr target = unused_address();
    int tries = 0;
    auto conn = dial(target, {.control = [&](int fd) -> Result<void> {
                       ++tries;
                       // What chance does once in a while: the local port is the one dialled.
                       const linger now{.l_onoff = 1, .l_linger = 0};
                       setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
                       bind(fd, target.data(), target.size());
                       return {};
                     }});
    EXPECT_THAT(checks, !conn && conn.error().sys_errno() == ECONNREFUSED);
    EXPECT_EQUAL(checks, tries, 3);
  });
}

}  // namespace netpoll
