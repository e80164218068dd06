// What the kernel may answer and seldom does: interruptions, early wake-ups, shortages, resets, short transfers.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/file.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/packet_conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/faults.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using test::bytes;
using test::Checks;
using test::Faults;
using test::outcome;
using test::read_all;
using test::read_some;

// The rules of one case; gone with it.
class Injected {
 public:
  explicit Injected(std::vector<test::Fault> faults) {
    Faults::instance().clear();
    for (const auto& fault : faults) Faults::instance().add(fault);
  }
  ~Injected() { Faults::instance().clear(); }
};

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 31 + i / 509) & 0xff);
  return text;
}

// Sends data through a TCP connection with write, writev and sendfile and returns what arrived, for all three.
std::vector<std::string> through_tcp(Checks& checks, const std::string& data) {
  std::vector<std::string> results;
  for (int way = 0; way < 3; ++way) {
    auto listener = Listener::listen("127.0.0.1:0");
    WaitGroup done;
    done.go([&] {
      auto client = dial(listener->local());
      EXPECT_EQUAL(checks, outcome(client), "ok");
      if (!client) return;
      if (way == 0) {
        EXPECT_EQUAL(checks, client->write(data).value_or(0), data.size());
      } else if (way == 1) {
        const std::size_t half = data.size() / 2;
        const std::array<iovec, 3> pieces{iovec{const_cast<char*>(data.data()), half}, iovec{nullptr, 0},
                                          iovec{const_cast<char*>(data.data()) + half, data.size() - half}};
        EXPECT_EQUAL(checks, client->writev(pieces).value_or(0), data.size());
      } else {
        const std::string path = test::fresh_path("send");
        const Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        unlink(path.c_str());
        EXPECT_EQUAL(checks, ::write(file.get(), data.data(), data.size()), static_cast<ssize_t>(data.size()));
        EXPECT_EQUAL(checks, client->send_file(file.get(), 0, data.size()).value_or(0), data.size());
      }
    });
    auto server = listener->accept();
    EXPECT_EQUAL(checks, outcome(server), "ok");
    if (server) results.push_back(read_all(*server));
    done.wait();
  }
  return results;
}

}  // namespace

TEST_CASE("EINTR is never seen") {
  test::in_every_setup([](Checks& checks) {
    Injected injected({{.number = SYS_recvfrom, .error = EINTR, .every = 2},
                       {.number = SYS_sendto, .error = EINTR, .every = 2},
                       {.number = SYS_sendmsg, .error = EINTR, .every = 2},
                       {.number = SYS_recvmsg, .error = EINTR, .every = 2},
                       {.number = SYS_readv, .error = EINTR, .every = 2},
                       {.number = SYS_sendfile, .error = EINTR, .every = 2},
                       {.number = SYS_read, .error = EINTR, .every = 2},
                       {.number = SYS_write, .error = EINTR, .every = 2},
                       {.number = SYS_pread64, .error = EINTR, .every = 2},
                       {.number = SYS_pwrite64, .error = EINTR, .every = 2},
                       {.number = SYS_accept4, .error = EINTR, .every = 2},
                       {.number = SYS_ppoll, .error = EINTR, .every = 2}});
    const std::string data = pattern(300'000);
    for (const std::string& got : through_tcp(checks, data)) EXPECT_THAT(checks, got == data);

    auto sockets = socket_pair();
    auto ends = pipe();
    for (auto* pair : {&*sockets, &*ends}) {
      Conn& writer = pair == &*sockets ? pair->first : pair->second;
      Conn& reader = pair == &*sockets ? pair->second : pair->first;
      EXPECT_EQUAL(checks, outcome(writer.write("text")), "ok");
      EXPECT_EQUAL(checks, outcome(reader.wait_readable()), "ok");
      EXPECT_EQUAL(checks, outcome(reader.wait_readable()), "ok");
      EXPECT_EQUAL(checks, read_some(reader, 2), "te");
      std::array<std::byte, 8> buffer;
      const std::array<iovec, 1> one{iovec{buffer.data(), buffer.size()}};
      EXPECT_EQUAL(checks, reader.readv(one).value_or(0), 2u);
    }
    auto packets = PacketConn::bind("127.0.0.1:0");
    EXPECT_EQUAL(checks, outcome(packets->write_to(bytes("x"), packets->local())), "ok");
    std::array<std::byte, 8> buffer;
    EXPECT_EQUAL(checks, packets->read_from(buffer).value_or(0), 1u);
    auto named = PacketConn::bind("unix:@" + test::fresh_path("eintr"));
    EXPECT_EQUAL(checks, outcome(named->write_to(bytes("x"), named->local())), "ok");
    EXPECT_EQUAL(checks, named->read_from(buffer).value_or(0), 1u);

    const std::string path = test::fresh_path("eintr");
    auto file = File::open(path, O_RDWR | O_CREAT, 0600);
    unlink(path.c_str());
    EXPECT_EQUAL(checks, file->write(bytes("abc")).value_or(0), 3u);
    EXPECT_EQUAL(checks, file->write_at(bytes("d"), 3).value_or(0), 1u);
    EXPECT_EQUAL(checks, file->read_at(buffer, 0).value_or(0), 4u);
    EXPECT_EQUAL(checks, file->read(buffer).value_or(0), 1u);  // the position is behind the first write
    EXPECT_EQUAL(checks, file->read(buffer).value_or(9), 0u);
    EXPECT_THAT(checks, Faults::instance().injected() > 20);
  });
}

TEST_CASE("a connect that was interrupted goes on") {
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    Injected injected({{.number = SYS_connect, .error = EINTR, .late = true}});
    auto client = dial(listener->local());
    auto server = listener->accept();
    EXPECT_EQUAL(checks, Faults::instance().injected(), 1u);
    EXPECT_EQUAL(checks, outcome(client->write("x")), "ok");
    EXPECT_EQUAL(checks, read_some(*server), "x");
  });
}

TEST_CASE("a wake-up for nothing parks again") {
  test::in_every_setup([](Checks& checks) {
    // EAGAIN although the poller said "ready": the descriptor stays ready, so a further event must not be needed by
    // anybody but the edge trigger, and there the next data brings it.
    auto [client, server] = test::tcp_pair(checks);
    Injected injected({{.number = SYS_recvfrom, .times = 1, .error = EAGAIN}});
    std::string got;
    WaitGroup done;
    Conn& reader = server;
    done.go([&] { got = read_some(reader); });
    EXPECT_THAT(checks, test::parked_on(checks, server.fd(), 0));
    EXPECT_EQUAL(checks, outcome(client.write("one ")), "ok");
    EXPECT_THAT(checks, test::soon([] { return Faults::instance().injected() == 1; }));
    EXPECT_EQUAL(checks, outcome(client.write("two")), "ok");
    done.wait();
    EXPECT_THAT(checks, got == "one two" || got == "one ");
  });
}

TEST_CASE("a full buffer reported by EAGAIN parks the writer until there is room") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    const std::string data = pattern(3'000'000);
    Injected injected({{.number = SYS_sendto, .shorten = 1000, .every = 3}});
    WaitGroup done;
    done.go([&] {
      EXPECT_EQUAL(checks, sockets->first.write(data).value_or(0), data.size());
      EXPECT_EQUAL(checks, outcome(sockets->first.close()), "ok");
    });
    EXPECT_THAT(checks, read_all(sockets->second) == data);
    done.wait();
  });
}

TEST_CASE("short writes are completed") {
  test::in_every_setup([](Checks& checks) {
    Injected injected({{.number = SYS_sendto, .shorten = 333, .every = 1},
                       {.number = SYS_sendmsg, .shorten = 333, .every = 1},
                       {.number = SYS_sendfile, .shorten = 333, .every = 1},
                       {.number = SYS_write, .shorten = 333, .every = 1},
                       {.number = SYS_writev, .shorten = 333, .every = 1},
                       {.number = SYS_pwrite64, .shorten = 333, .every = 1}});
    const std::string data = pattern(30'000);
    for (const std::string& got : through_tcp(checks, data)) EXPECT_THAT(checks, got == data);
    auto ends = pipe();
    EXPECT_EQUAL(checks, ends->second.write(data).value_or(0), data.size());
    EXPECT_EQUAL(checks, outcome(ends->second.close()), "ok");
    EXPECT_THAT(checks, read_all(ends->first) == data);
    const std::string path = test::fresh_path("short");
    auto file = File::open(path, O_RDWR | O_CREAT, 0600);
    unlink(path.c_str());
    EXPECT_EQUAL(checks, file->write(bytes(data)).value_or(0), data.size());
    EXPECT_EQUAL(checks, file->write_at(bytes(data), 100).value_or(0), data.size());
    EXPECT_EQUAL(checks, file->size().value_or(0), 30'100);
  });
}

TEST_CASE("short reads lose nothing where a short read proves nothing") {
  test::in_every_setup([](Checks& checks) {
    // On a plain stream the kernel never returns less than is there; a layer on top of it may, and so does this one.
    Injected injected(
        {{.number = SYS_recvfrom, .shorten = 7, .every = 1}, {.number = SYS_read, .shorten = 7, .every = 1}});
    const std::string data = pattern(5'000);
    auto [client, server] = test::tcp_pair(checks);
    EXPECT_EQUAL(checks, outcome(server.raw().control([](int) {})), "ok");  // may have put a layer there
    EXPECT_EQUAL(checks, outcome(client.write(data)), "ok");
    std::string got;
    while (got.size() < data.size()) got += read_some(server);
    EXPECT_THAT(checks, got == data);

    int fds[2];
    EXPECT_EQUAL(checks, ::pipe2(fds, O_CLOEXEC), 0);
    auto reader = Conn::adopt(Fd(fds[0]));
    auto writer = Conn::adopt(Fd(fds[1]));
    EXPECT_EQUAL(checks, outcome(writer->write(data)), "ok");
    got.clear();
    while (got.size() < data.size()) got += read_some(*reader);
    EXPECT_THAT(checks, got == data);
  });
}

TEST_CASE("read_full collects short reads") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    const std::string data = pattern(5'000);
    WaitGroup done;
    done.go([&] {
      for (std::size_t i = 0; i < data.size(); i += 50) {
        EXPECT_EQUAL(checks, outcome(sockets->first.write(std::string_view(data).substr(i, 50))), "ok");
        if (i % 200 == 0) yield();
      }
    });
    std::vector<std::byte> buffer(data.size());
    EXPECT_EQUAL(checks, outcome(sockets->second.read_full(buffer)), "ok");
    EXPECT_THAT(checks, std::equal(buffer.begin(), buffer.end(), bytes(data).begin()));
    done.wait();
  });
}

TEST_CASE("a reset is an error value that names the connection") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    EXPECT_EQUAL(checks, outcome(client.write("x")), "ok");
    Injected injected({{.number = SYS_recvfrom, .error = ECONNRESET}, {.number = SYS_sendto, .error = ECONNRESET}});
    EXPECT_EQUAL(checks, read_some(server), "<read " + server.peer().str() + ": Connection reset by peer>");
    auto written = server.write("y");
    EXPECT_THAT(checks, !written && written.error().sys_errno() == ECONNRESET);
    EXPECT_EQUAL(checks, read_some(server), "x");
  });
}

TEST_CASE("accept passes over connections that died in the queue") {
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    Injected injected({{.number = SYS_accept4, .error = ECONNABORTED},
                       {.number = SYS_accept4, .error = EPROTO},
                       {.number = SYS_accept4, .error = ENETDOWN}});
    auto client = dial(listener->local());
    EXPECT_EQUAL(checks, outcome(listener->accept()), "ok");
    EXPECT_EQUAL(checks, listener->backoffs(), 0u);
    EXPECT_EQUAL(checks, Faults::instance().injected(), 3u);
  });
}

TEST_CASE("accept pauses for every kind of shortage and passes other errors on") {
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    auto client = dial(listener->local());
    Injected injected({{.number = SYS_accept4, .error = EMFILE},
                       {.number = SYS_accept4, .error = ENFILE},
                       {.number = SYS_accept4, .error = ENOBUFS},
                       {.number = SYS_accept4, .error = ENOMEM},
                       {.number = SYS_accept4, .error = EPERM}});
    auto refused = listener->accept();
    EXPECT_EQUAL(checks, outcome(refused), "permission");
    EXPECT_EQUAL(checks, refused.error().context(), "accept " + listener->local().str());
    EXPECT_EQUAL(checks, listener->backoffs(), 4u);
    EXPECT_EQUAL(checks, outcome(listener->accept()), "ok");
  });
}

TEST_CASE("whatever fails on the way to a connection leaks nothing") {
  test::in_default_setup([](Checks& checks) {
    auto listener = Listener::listen("127.0.0.1:0");
    for (const long number : {SYS_socket, SYS_setsockopt, SYS_connect}) {
      Injected injected({{.number = number, .error = ENOBUFS}});
      auto conn = dial(listener->local());
      EXPECT_THAT(checks, !conn && conn.error().sys_errno() == ENOBUFS);
    }
    for (const long number : {SYS_socket, SYS_setsockopt, SYS_bind, SYS_listen}) {
      Injected injected({{.number = number, .error = ENOBUFS}});
      auto other = Listener::listen("127.0.0.1:0");
      EXPECT_THAT(checks, !other && other.error().sys_errno() == ENOBUFS);
    }
    for (const long number : {SYS_pipe2, SYS_socketpair}) {
      Injected injected({{.number = number, .error = EMFILE}});
      auto pair = number == SYS_pipe2 ? pipe() : socket_pair();
      EXPECT_THAT(checks, !pair && pair.error().sys_errno() == EMFILE);
    }
    {
      // The wait for a connect that ends in an error.
      Injected injected({{.number = SYS_getsockopt, .error = ENOBUFS}});
      auto conn = dial(listener->local());
      EXPECT_THAT(checks, !conn && conn.error().sys_errno() == ENOBUFS);
    }
    {
      Injected injected({{.number = SYS_connect, .times = 2, .error = EADDRNOTAVAIL}});
      EXPECT_EQUAL(checks, outcome(dial(listener->local())), "ok");
      Faults::instance().add({.number = SYS_connect, .times = 3, .error = EADDRNOTAVAIL});
      EXPECT_EQUAL(checks, outcome(dial(listener->local())), "system");
    }
    {
      Injected injected({{.number = SYS_fcntl, .skip = 1, .error = EPERM}});
      int fds[2];
      EXPECT_EQUAL(checks, ::pipe2(fds, O_CLOEXEC), 0);
      const Fd other(fds[1]);
      auto adopted = Conn::adopt(Fd(fds[0]));
      EXPECT_EQUAL(checks, outcome(adopted), "permission");
      EXPECT_EQUAL(checks, adopted.error().context(), "set O_NONBLOCK on fd " + std::to_string(fds[0]));
    }
    {
      Injected injected({{.number = SYS_close, .error = EIO, .late = true}});
      auto sockets = socket_pair();
      auto closed = sockets->first.close();
      EXPECT_THAT(checks, !closed && closed.error().sys_errno() == EIO);
      EXPECT_EQUAL(checks, outcome(sockets->first.close()), "closing");
    }
    {
      Injected injected({{.number = SYS_close, .error = EINTR, .late = true}});
      auto sockets = socket_pair();
      EXPECT_EQUAL(checks, outcome(sockets->first.close()), "ok");
    }
  });
}

}  // namespace netpoll
