// Files, which no poller knows.
#include "netpoll/net/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <span>
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

std::string text_of(const Result<std::size_t>& count, std::span<const std::byte> buffer) {
  return count ? std::string(reinterpret_cast<const char*>(buffer.data()), *count) : outcome(count);
}

std::string read_next(File& file, std::size_t size) {
  std::vector<std::byte> buffer(size);
  return text_of(file.read(buffer), buffer);
}

std::string read_at(File& file, std::size_t size, std::int64_t offset) {
  std::vector<std::byte> buffer(size);
  return text_of(file.read_at(buffer, offset), buffer);
}

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

TEST_CASE("calls at an offset neither use nor move the position, whoever opened the file") {
  test::in_every_setup([](Checks& checks) {
    const std::string path = test::fresh_path("positions");
    std::vector<File> files;
    files.push_back(std::move(*File::open(path, O_RDWR | O_CREAT | O_EXCL, 0600)));
    files.push_back(std::move(*File::adopt(test::open_from_outside(checks, path))));
    for (File& file : files) {
      EXPECT_EQUAL(checks, outcome(file.write_at(bytes("........"), 0)), "ok");
      EXPECT_EQUAL(checks, outcome(file.write(bytes("abc"))), "ok");
      EXPECT_EQUAL(checks, outcome(file.write_at(bytes("X"), 0)), "ok");
      EXPECT_EQUAL(checks, read_at(file, 2, 6), "..");
      EXPECT_EQUAL(checks, outcome(file.write(bytes("def"))), "ok");
      EXPECT_EQUAL(checks, read_at(file, 9, 0), "Xbcdef..");
      EXPECT_EQUAL(checks, read_next(file, 1), ".");
      EXPECT_EQUAL(checks, read_at(file, 3, 8), "");
      EXPECT_EQUAL(checks, read_next(file, 9), ".");
      EXPECT_EQUAL(checks, read_next(file, 9), "");
    }
    files.clear();
    unlink(path.c_str());
  });
}

TEST_CASE("calls at offsets and at the position go at once, and each gets its own") {
  test::in_every_setup([](Checks& checks) {
    constexpr int kPieces = 200;
    const std::string path = test::fresh_path("pieces");
    auto opened = File::open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    std::string all;
    for (int i = 0; i < kPieces; ++i) all += std::to_string(1000 + i);
    EXPECT_EQUAL(checks, outcome(opened->write_at(bytes(all), 0)), "ok");
    auto adopted = File::adopt(test::open_from_outside(checks, path));
    for (File* file : {&*opened, &*adopted}) {
      WaitGroup done;
      for (int reader = 0; reader < 3; ++reader) {
        done.go([&checks, &all, file, reader] {
          for (int i = reader; i < kPieces; i += 3) {
            const auto at = static_cast<std::size_t>(4 * i);
            EXPECT_EQUAL(checks, read_at(*file, 4, 4 * i), all.substr(at, 4));
          }
        });
      }
      std::string in_order;
      for (int i = 0; i < kPieces; ++i) in_order += read_next(*file, 4);
      done.wait();
      EXPECT_THAT(checks, in_order == all);
    }
    EXPECT_EQUAL(checks, outcome(opened->close()) + outcome(adopted->close()), "okok");
    unlink(path.c_str());
  });
}

TEST_CASE("files opened for appending write at the end, wherever the others have moved it") {
  test::in_every_setup([](Checks& checks) {
    const std::string path = test::fresh_path("append");
    auto first = File::open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0600);
    auto second = File::open(path, O_WRONLY | O_APPEND);
    for (const char* text : {"one", "two"}) {
      EXPECT_EQUAL(checks, outcome(first->write(bytes(text))), "ok");
      EXPECT_EQUAL(checks, outcome(second->write(bytes("+"))), "ok");
    }
    EXPECT_EQUAL(checks, read_at(*first, 20, 0), "one+two+");
    EXPECT_EQUAL(checks, read_next(*first, 20), "+");
    EXPECT_EQUAL(checks, outcome(first->close()) + outcome(second->close()), "okok");
    unlink(path.c_str());
  });
}

TEST_CASE("a pipe has no offsets") {
  test::in_default_setup([](Checks& checks) {
    auto [reader, writer] = test::blocking_pipe(checks);
    auto file = File::adopt(std::move(reader));
    auto other_end = File::adopt(std::move(writer));
    std::array<std::byte, 1> buffer;
    EXPECT_EQUAL(checks, file->read_at(buffer, 0).error().sys_errno(), ESPIPE);
    EXPECT_EQUAL(checks, other_end->write_at(bytes("x"), 0).error().sys_errno(), ESPIPE);
    EXPECT_EQUAL(checks, outcome(other_end->write(bytes("x"))), "ok");
    EXPECT_EQUAL(checks, read_next(*file, 1), "x");
    EXPECT_EQUAL(checks, outcome(other_end->close()), "ok");
    EXPECT_EQUAL(checks, read_next(*file, 1), "");
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
