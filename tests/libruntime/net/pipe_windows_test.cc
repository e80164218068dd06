// Named pipes, whose ends programs of Windows open as files.
#include <windows.h>

#include <fcntl.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>

#include "netpoll/go.h"
#include "netpoll/net/file.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using test::bytes;
using test::Checks;
using test::outcome;

Fd fd_of(HANDLE handle) {
  return handle == INVALID_HANDLE_VALUE ? Fd() : Fd(static_cast<int>(reinterpret_cast<std::intptr_t>(handle)));
}

// A pipe for both directions that somebody else made: its path and the server's end.
struct NamedPipe {
  std::string path;
  Fd server;

  // The other end, for overlapped calls, opened by somebody else too.
  Fd client(DWORD access) const {
    return fd_of(CreateFileA(path.c_str(), access, 0, nullptr, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, nullptr));
  }
};

NamedPipe make_named_pipe(DWORD type) {
  static std::atomic<int> serial{0};
  NamedPipe pipe;
  pipe.path = "\\\\.\\pipe\\netpoll-test-" + std::to_string(GetCurrentProcessId()) + "-" + std::to_string(serial++);
  pipe.server = fd_of(CreateNamedPipeA(pipe.path.c_str(), PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, type | PIPE_WAIT,
                                       1, 4096, 4096, 0, nullptr));
  return pipe;
}

std::string read_next(File& file, std::size_t size) {
  std::string text(size, '\0');
  auto count = file.read(std::as_writable_bytes(std::span(text)));
  return count ? text.substr(0, *count) : "<" + count.error().message() + ">";
}

}  // namespace

TEST_CASE("the ends of a named pipe are files, and a read that waits holds up no write of the same end") {
  test::in_every_setup([](Checks& checks) {
    NamedPipe pipe = make_named_pipe(PIPE_TYPE_BYTE);
    auto server = File::adopt(std::move(pipe.server));
    auto client = File::open(pipe.path, O_RDWR);
    EXPECT_EQUAL(checks, outcome(server) + outcome(client), "okok");
    WaitGroup done;
    std::string answer;
    done.go([&] { answer = read_next(*client, 16); });
    EXPECT_THAT(checks, test::soon([&] {
                  for (const auto& g : checks.runtime().snapshot().goroutines) {
                    if (g.status == "syscall") return true;
                  }
                  return false;
                }));
    EXPECT_EQUAL(checks, outcome(client->write(bytes("question"))), "ok");
    EXPECT_EQUAL(checks, read_next(*server, 16), "question");
    EXPECT_EQUAL(checks, outcome(server->write(bytes("answer"))), "ok");
    done.wait();
    EXPECT_EQUAL(checks, answer, "answer");
    EXPECT_EQUAL(checks, outcome(server->close()), "ok");
    EXPECT_EQUAL(checks, read_next(*client, 16), "");
  });
}

TEST_CASE("a raw write of a pipe is refused, since nothing waits for room in one") {
  test::in_default_setup([](Checks& checks) {
    auto ends = pipe();
    bool called = false;
    auto written = ends->second.raw().write([&](int) { return called = true; });
    EXPECT_EQUAL(checks, written.error().sys_errno(), EOPNOTSUPP);
    EXPECT_THAT(checks, !called);
  });
}

TEST_CASE("a pipe made here used in the wrong direction is a bad descriptor, before and after the hang-up") {
  test::in_every_setup([](Checks& checks) {
    auto ends = pipe();
    auto& [reader, writer] = *ends;
    std::array<std::byte, 8> buffer;
    for (const bool hung_up : {false, true}) {
      if (hung_up) EXPECT_EQUAL(checks, outcome(reader.close()), "ok");
      if (!hung_up) EXPECT_EQUAL(checks, reader.write("x").error().sys_errno(), EBADF);
      EXPECT_EQUAL(checks, writer.read(buffer).error().sys_errno(), EBADF);
      EXPECT_EQUAL(checks, writer.wait_readable().error().sys_errno(), EBADF);
    }
    EXPECT_EQUAL(checks, outcome(writer.close()), "ok");
    EXPECT_EQUAL(checks, outcome(writer.wait_readable()), "closing");
  });
}

TEST_CASE("the ends of a named pipe for overlapped calls are adopted and wait as sockets do") {
  test::in_every_setup([](Checks& checks) {
    NamedPipe pipe = make_named_pipe(PIPE_TYPE_BYTE);
    auto server = Conn::adopt(std::move(pipe.server));
    auto client = Conn::adopt(pipe.client(GENERIC_READ | GENERIC_WRITE));
    EXPECT_EQUAL(checks, outcome(server) + outcome(client), "okok");
    WaitGroup done;
    done.go([&] { EXPECT_EQUAL(checks, test::read_some(*client), "answer"); });
    EXPECT_THAT(checks, test::parked_on(checks, client->fd(), 0));
    EXPECT_EQUAL(checks, outcome(client->write("question")), "ok");
    EXPECT_EQUAL(checks, outcome(server->wait_readable()), "ok");
    EXPECT_EQUAL(checks, test::read_some(*server), "question");
    EXPECT_EQUAL(checks, outcome(server->write("answer")), "ok");
    done.wait();
    EXPECT_EQUAL(checks, outcome(client->set_read_deadline(after(std::chrono::milliseconds(5)))), "ok");
    EXPECT_EQUAL(checks, outcome(client->wait_readable()), "timeout");
    EXPECT_EQUAL(checks, outcome(client->set_read_deadline(kNoDeadline)), "ok");
    done.go([&] { EXPECT_EQUAL(checks, test::read_all(*client), "last"); });
    EXPECT_THAT(checks, test::parked_on(checks, client->fd(), 0));
    EXPECT_EQUAL(checks, outcome(server->write("last")), "ok");
    EXPECT_EQUAL(checks, outcome(server->close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, outcome(client->close_read()), "not-supported");
  });
}

TEST_CASE("close ends the read of an adopted pipe, and the other end sees it") {
  test::in_every_setup([](Checks& checks) {
    NamedPipe pipe = make_named_pipe(PIPE_TYPE_BYTE);
    auto server = Conn::adopt(std::move(pipe.server));
    auto client = Conn::adopt(pipe.client(GENERIC_WRITE));
    std::array<std::byte, 8> buffer;
    EXPECT_EQUAL(checks, client->read(buffer).error().sys_errno(), EBADF);
    EXPECT_EQUAL(checks, client->wait_readable().error().sys_errno(), EBADF);
    WaitGroup done;
    done.go([&] { EXPECT_EQUAL(checks, outcome(server->read(buffer)), "closing"); });
    EXPECT_THAT(checks, test::parked_on(checks, server->fd(), 0));
    EXPECT_EQUAL(checks, outcome(server->close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, client->write("x").error().sys_errno(), EPIPE);
  });
}

TEST_CASE("a handle whose calls block is not adopted as a connection, and works on") {
  test::in_default_setup([](Checks& checks) {
    auto [reader, writer] = test::blocking_pipe(checks);
    HANDLE copy = INVALID_HANDLE_VALUE;
    DuplicateHandle(GetCurrentProcess(), reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(reader.get())),
                    GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS);
    auto refused = Conn::adopt(fd_of(copy));
    EXPECT_EQUAL(checks, outcome(refused), "not-pollable");
    EXPECT_EQUAL(checks, refused.error().hint(), "use netpoll::File");
    auto file = File::adopt(std::move(reader));
    auto other_end = File::adopt(std::move(writer));
    EXPECT_EQUAL(checks, outcome(other_end->write(bytes("x"))), "ok");
    EXPECT_EQUAL(checks, read_next(*file, 8), "x");
  });
}

TEST_CASE("a message of a pipe that exceeds the buffer is read in pieces") {
  test::in_default_setup([](Checks& checks) {
    NamedPipe pipe = make_named_pipe(PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE);
    auto server = File::adopt(std::move(pipe.server));
    auto client = File::open(pipe.path, O_RDWR);
    EXPECT_EQUAL(checks, outcome(client->write(bytes("abcdef"))), "ok");
    EXPECT_EQUAL(checks, outcome(client->write(bytes("next"))), "ok");
    EXPECT_EQUAL(checks, read_next(*server, 4), "abcd");
    EXPECT_EQUAL(checks, read_next(*server, 4), "ef");
    EXPECT_EQUAL(checks, read_next(*server, 4), "next");
  });
}

}  // namespace netpoll
