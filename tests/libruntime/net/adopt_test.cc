// Descriptors from elsewhere: what Conn::adopt takes, changes and refuses.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using test::Checks;
using test::outcome;
using test::read_all;
using test::read_some;

}  // namespace

TEST_CASE("a blocking pipe is adopted and made non-blocking") {
  test::in_every_setup([](Checks& checks) {
    int fds[2];
    EXPECT_EQUAL(checks, ::pipe2(fds, O_CLOEXEC), 0);
    auto reader = Conn::adopt(Fd(fds[0]));
    auto writer = Conn::adopt(Fd(fds[1]));
    EXPECT_EQUAL(checks, outcome(reader), "ok");
    EXPECT_EQUAL(checks, outcome(writer), "ok");
    EXPECT_THAT(checks, (fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0);
    std::string got;
    WaitGroup done;
    done.go([&] { got = read_all(*reader); });
    EXPECT_THAT(checks, test::parked_on(checks, reader->fd(), 0));
    EXPECT_EQUAL(checks, outcome(writer->write("through")), "ok");
    EXPECT_EQUAL(checks, outcome(writer->close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, got, "through");
  });
}

TEST_CASE("a packet pipe is read packet by packet") {
  test::in_every_setup([](Checks& checks) {
    int fds[2];
    EXPECT_EQUAL(checks, ::pipe2(fds, O_CLOEXEC | O_DIRECT), 0);
    auto reader = Conn::adopt(Fd(fds[0]));
    auto writer = Conn::adopt(Fd(fds[1]));
    for (const char* packet : {"one", "two", "three"}) EXPECT_EQUAL(checks, outcome(writer->write(packet)), "ok");
    EXPECT_EQUAL(checks, read_some(*reader), "one");
    EXPECT_EQUAL(checks, read_some(*reader), "two");
    EXPECT_EQUAL(checks, read_some(*reader), "three");
    EXPECT_EQUAL(checks, outcome(writer->close()), "ok");
    EXPECT_EQUAL(checks, read_some(*reader), "");
  });
}

TEST_CASE("an end of a pipe or FIFO used in the wrong direction is a bad descriptor, before and after the hang-up") {
  test::in_every_setup([](Checks& checks) {
    const std::string path = test::fresh_path("fifo");
    EXPECT_EQUAL(checks, mkfifo(path.c_str(), 0600), 0);
    Fd fifo_reader(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    auto fifo_writer = Conn::adopt(Fd(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)));
    auto adopted_reader = Conn::adopt(std::move(fifo_reader));
    unlink(path.c_str());
    auto made = pipe();
    const auto read_errno = [](Conn& conn) {
      std::array<std::byte, 8> buffer;
      auto n = conn.read(buffer);
      return n ? 0 : n.error().sys_errno();
    };
    const auto wait_errno = [](Conn& conn) {
      auto waited = conn.wait_readable();
      return waited ? 0 : waited.error().sys_errno();
    };
    for (auto [reader, writer] : {std::pair(&*adopted_reader, &*fifo_writer), std::pair(&made->first, &made->second)}) {
      EXPECT_EQUAL(checks, read_errno(*writer), EBADF);
      EXPECT_EQUAL(checks, wait_errno(*writer), EBADF);
      auto written = reader->write("x");
      EXPECT_THAT(checks, !written && written.error().sys_errno() == EBADF);
      EXPECT_EQUAL(checks, outcome(writer->write("good")), "ok");
      EXPECT_EQUAL(checks, read_some(*reader), "good");
      EXPECT_EQUAL(checks, outcome(reader->close()), "ok");
      EXPECT_EQUAL(checks, read_errno(*writer), EBADF);
      EXPECT_EQUAL(checks, wait_errno(*writer), EBADF);
      EXPECT_EQUAL(checks, outcome(writer->close()), "ok");
      EXPECT_EQUAL(checks, outcome(writer->wait_readable()), "closing");
    }
  });
}

TEST_CASE("a FIFO without a writer is at its end, and wait_readable waits for the first one") {
  test::in_every_setup([](Checks& checks) {
    const std::string path = test::fresh_path("fifo");
    EXPECT_EQUAL(checks, mkfifo(path.c_str(), 0600), 0);
    auto reader = Conn::adopt(Fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)));
    EXPECT_EQUAL(checks, read_some(*reader), "");
    EXPECT_EQUAL(checks, read_some(*reader), "");
    // Waiting in vain, and what other descriptors do, changes nothing about that.
    EXPECT_EQUAL(checks, outcome(reader->set_read_deadline(after(std::chrono::milliseconds(2)))), "ok");
    EXPECT_EQUAL(checks, outcome(reader->wait_readable()), "timeout");
    EXPECT_EQUAL(checks, outcome(reader->set_read_deadline(kNoDeadline)), "ok");
    EXPECT_EQUAL(checks, read_some(*reader), "");
    std::string got;
    WaitGroup done;
    done.go([&] {
      EXPECT_EQUAL(checks, outcome(reader->wait_readable()), "ok");
      got = read_all(*reader);
    });
    EXPECT_THAT(checks, test::parked_on(checks, reader->fd(), 0));
    auto writer = Conn::adopt(Fd(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)));
    EXPECT_EQUAL(checks, outcome(writer->write("first")), "ok");
    EXPECT_EQUAL(checks, outcome(writer->close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, got, "first");
    EXPECT_EQUAL(checks, read_some(*reader), "");
    // With a writer there and nothing written, a read waits.
    auto second = Conn::adopt(Fd(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)));
    done.go([&] { got = read_all(*reader); });
    EXPECT_THAT(checks, test::parked_on(checks, reader->fd(), 0));
    EXPECT_EQUAL(checks, outcome(second->write("second")), "ok");
    EXPECT_EQUAL(checks, outcome(second->close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, got, "second");
    unlink(path.c_str());
  });
}

TEST_CASE("adopted stream and packet-preserving sockets work") {
  test::in_every_setup([](Checks& checks) {
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
      int fds[2];
      EXPECT_EQUAL(checks, socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
      auto a = Conn::adopt(Fd(fds[0]));
      auto b = Conn::adopt(Fd(fds[1]));
      EXPECT_EQUAL(checks, outcome(a->write("12")), "ok");
      EXPECT_EQUAL(checks, outcome(a->write("345")), "ok");
      EXPECT_EQUAL(checks, outcome(a->close_write()), "ok");
      EXPECT_EQUAL(checks, read_all(*b), "12345");
      EXPECT_EQUAL(checks, outcome(b->write("back")), "ok");
      EXPECT_EQUAL(checks, read_some(*a), "back");
    }
  });
}

TEST_CASE("what cannot be polled is refused with a hint and left as it was") {
  test::in_every_setup([](Checks& checks) {
    const std::string path = test::fresh_path("regular");
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    unlink(path.c_str());
    const Fd witness(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    auto regular = Conn::adopt(Fd(fd));
    EXPECT_EQUAL(checks, outcome(regular), "not-pollable");
    EXPECT_EQUAL(checks, regular.error().hint(), "use netpoll::File");
    EXPECT_EQUAL(checks, fcntl(witness.get(), F_GETFL) & O_NONBLOCK, 0);

    // epoll itself says no to this one, after the flag was set.
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const Fd null_witness(fcntl(null, F_DUPFD_CLOEXEC, 0));
    EXPECT_EQUAL(checks, outcome(Conn::adopt(Fd(null))), "not-pollable");
    EXPECT_EQUAL(checks, fcntl(null_witness.get(), F_GETFL) & O_NONBLOCK, 0);

    EXPECT_EQUAL(checks, outcome(Conn::adopt(Fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)))), "invalid");
    auto closed = Conn::adopt(Fd());
    EXPECT_THAT(checks, !closed && closed.error().sys_errno() == EBADF);
  });
}

TEST_CASE("an adopted descriptor that lives on elsewhere leaves the poller at close") {
  test::in_every_setup([](Checks& checks) {
    int fds[2];
    EXPECT_EQUAL(checks, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    const Fd peer(fds[1]);
    const Fd copy(fcntl(fds[0], F_DUPFD_CLOEXEC, 0));
    for (int round = 0; round < 3; ++round) {
      // The same open file again under another number: EEXIST if the first registration were still there.
      auto conn = Conn::adopt(Fd(fcntl(copy.get(), F_DUPFD_CLOEXEC, 0)));
      EXPECT_EQUAL(checks, outcome(conn), "ok");
      EXPECT_EQUAL(checks, write(peer.get(), "x", 1), 1);
      EXPECT_EQUAL(checks, read_some(*conn), "x");
    }
    close(fds[0]);
  });
}

}  // namespace netpoll
