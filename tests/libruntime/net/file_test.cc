// Files, which no poller knows.
#include "netpoll/net/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using test::bytes;
using test::Checks;
using test::outcome;

}  // namespace

TEST_CASE("a file is written, measured and read at its position and elsewhere") {
  test::in_every_setup([](Checks& checks) {
    const std::string path = test::fresh_path("file");
    auto file = File::open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    EXPECT_EQUAL(checks, outcome(file), "ok");
    EXPECT_EQUAL(checks, file->write(bytes("hello world")).value_or(0), 11u);
    EXPECT_EQUAL(checks, file->write_at(bytes("W"), 6).value_or(0), 1u);
    EXPECT_EQUAL(checks, file->size().value_or(0), 11);
    EXPECT_EQUAL(checks, outcome(file->sync()), "ok");
    std::array<std::byte, 5> buffer;
    EXPECT_EQUAL(checks, file->read_at(buffer, 6).value_or(0), 5u);
    EXPECT_EQUAL(checks, std::string(reinterpret_cast<char*>(buffer.data()), 5), "World");
    EXPECT_EQUAL(checks, file->read(buffer).value_or(9), 0u);
    EXPECT_EQUAL(checks, outcome(file->read_at(buffer, -1)), "invalid");
    EXPECT_EQUAL(checks, outcome(file->close()), "ok");
    EXPECT_EQUAL(checks, outcome(file->read(buffer)), "closing");
    EXPECT_EQUAL(checks, outcome(file->close()), "closing");
    EXPECT_EQUAL(checks, file->fd(), -1);
    unlink(path.c_str());
    auto missing = File::open(path, O_RDONLY);
    EXPECT_EQUAL(checks, outcome(missing), "not-found");
    EXPECT_EQUAL(checks, missing.error().context(), "open " + path);
    File nothing;
    EXPECT_EQUAL(checks, outcome(nothing.size()), "closing");
    EXPECT_EQUAL(checks, outcome(File::adopt(Fd())), "system");
  });
}

TEST_CASE("a file that blocks holds up nobody else") {
  test::in_every_setup([](Checks& checks) {
    auto [reader, writer] = test::blocking_pipe(checks);
    auto file = File::adopt(std::move(reader), "a blocking pipe");
    auto other_end = File::adopt(std::move(writer));
    std::atomic<bool> ended{false};
    WaitGroup done;
    done.go([&] {
      std::array<std::byte, 4> buffer;
      EXPECT_EQUAL(checks, file->read(buffer).value_or(0), 1u);
      ended = true;
    });
    EXPECT_THAT(checks, test::soon([&] {
                  for (const auto& g : checks.runtime().snapshot().goroutines) {
                    if (g.status == "syscall") return true;
                  }
                  return false;
                }));
    // With one P, this goroutine and the sockets need the one that the reader gave up.
    auto sockets = socket_pair();
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQUAL(checks, outcome(sockets->first.write("x")), "ok");
      EXPECT_EQUAL(checks, test::read_some(sockets->second), "x");
    }
    EXPECT_THAT(checks, !ended);
    EXPECT_EQUAL(checks, other_end->write(bytes("y")).value_or(0), 1u);
    done.wait();
  });
}

}  // namespace netpoll
