// Reading and writing of connections.
#include "netpoll/net/conn.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

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
using test::read_all;
using test::read_some;

// The three kinds of stream, writer first.
struct Stream {
  std::string kind;
  Conn writer;
  Conn reader;
};

std::vector<Stream> every_stream(Checks& checks) {
  std::vector<Stream> all;
  auto [dialled, accepted] = test::tcp_pair(checks);
  all.push_back({"tcp", std::move(dialled), std::move(accepted)});
  auto sockets = socket_pair();
  all.push_back({"unix", std::move(sockets->first), std::move(sockets->second)});
  auto ends = pipe();
  all.push_back({"pipe", std::move(ends->second), std::move(ends->first)});
  return all;
}

// Bytes that depend on their position.
std::vector<std::byte> pattern(std::size_t size, unsigned seed) {
  std::vector<std::byte> data(size);
  for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>((i * 7 + i / 251 + seed) & 0xff);
  return data;
}

}  // namespace

TEST_CASE("what one side writes the other reads, and then the end") {
  test::in_every_setup([](Checks& checks) {
    for (Stream& stream : every_stream(checks)) {
      EXPECT_EQUAL(checks, stream.writer.write("hello").value_or(0), 5u);
      EXPECT_EQUAL(checks, read_some(stream.reader), "hello");
      EXPECT_EQUAL(checks, stream.writer.write("again").value_or(0), 5u);
      EXPECT_EQUAL(checks, read_some(stream.reader, 2), "ag");
      EXPECT_EQUAL(checks, read_some(stream.reader, 3), "ain");
      EXPECT_EQUAL(checks, outcome(stream.writer.close()), "ok");
      EXPECT_EQUAL(checks, read_some(stream.reader), "");
      EXPECT_EQUAL(checks, read_some(stream.reader), "");
    }
  });
}

TEST_CASE("a reader parks until data arrives") {
  test::in_every_setup([](Checks& checks) {
    for (Stream& stream : every_stream(checks)) {
      std::string got;
      WaitGroup done;
      done.add(1);
      go([&] {
        got = read_some(stream.reader);
        done.done();
      });
      EXPECT_THAT(checks, test::parked_on(checks, stream.reader.fd(), 0));
      EXPECT_EQUAL(checks, outcome(stream.writer.write("late")), "ok");
      done.wait();
      EXPECT_EQUAL(checks, got, "late");
    }
  });
}

TEST_CASE("data that is there before the first read is not lost") {
  test::in_every_setup([](Checks& checks) {
    for (int round = 0; round < 20; ++round) {
      for (Stream& stream : every_stream(checks)) {
        EXPECT_EQUAL(checks, outcome(stream.writer.write("early")), "ok");
        EXPECT_EQUAL(checks, outcome(stream.writer.close()), "ok");
        EXPECT_EQUAL(checks, read_all(stream.reader), "early");
      }
    }
  });
}

TEST_CASE("a write that exceeds every buffer arrives whole") {
  const std::vector<std::byte> sent = pattern(9'000'001, 3);
  test::in_every_setup([&](Checks& checks) {
    for (Stream& stream : every_stream(checks)) {
      WaitGroup done;
      done.add(1);
      go([&] {
        auto written = stream.writer.write(sent);
        EXPECT_EQUAL(checks, written.value_or(0), sent.size());
        EXPECT_EQUAL(checks, outcome(stream.writer.close()), "ok");
        done.done();
      });
      std::size_t position = 0;
      bool equal = true;
      std::vector<std::byte> buffer(30'000);
      for (;;) {
        auto n = stream.reader.read(buffer);
        if (!n || *n == 0) break;
        equal = equal && position + *n <= sent.size() && std::memcmp(buffer.data(), sent.data() + position, *n) == 0;
        position += *n;
      }
      EXPECT_EQUAL(checks, position, sent.size());
      EXPECT_THAT(checks, equal);
      done.wait();
    }
  });
}

TEST_CASE("two large writes at once do not mix") {
  test::in_every_setup([](Checks& checks) {
    for (Stream& stream : every_stream(checks)) {
      constexpr std::size_t kSize = 1'500'000;
      WaitGroup done;
      done.add(2);
      for (int i = 0; i < 2; ++i) {
        go([&, i] {
          const std::vector<std::byte> data(kSize, static_cast<std::byte>('a' + i));
          EXPECT_EQUAL(checks, stream.writer.write(data).value_or(0), kSize);
          done.done();
        });
      }
      WaitGroup closed;
      closed.go([&] {
        done.wait();
        EXPECT_EQUAL(checks, outcome(stream.writer.close()), "ok");
      });
      std::size_t changes = 0;
      std::size_t total = 0;
      char last = 0;
      std::vector<std::byte> buffer(50'000);
      for (;;) {
        auto n = stream.reader.read(buffer);
        if (!n || *n == 0) break;
        for (std::size_t i = 0; i < *n; ++i) {
          const char c = static_cast<char>(buffer[i]);
          if (c != last) ++changes;
          last = c;
        }
        total += *n;
      }
      closed.wait();
      EXPECT_EQUAL(checks, total, 2 * kSize);
      EXPECT_EQUAL(checks, changes, 2u);
    }
  });
}

TEST_CASE("writev sends all buffers in order and readv fills several") {
  test::in_every_setup([](Checks& checks) {
    for (Stream& stream : every_stream(checks)) {
      // More buffers than one system call takes, empty ones among them, and one that exceeds the kernel's buffer.
      std::vector<std::byte> data = pattern(1'200'000, 9);
      std::vector<iovec> pieces;
      std::size_t offset = 0;
      for (std::size_t i = 0; i < 1500; ++i) {
        const std::size_t size = i % 5 == 0 ? 0 : i % 13;
        pieces.push_back({data.data() + offset, size});
        offset += size;
      }
      pieces.push_back({data.data() + offset, data.size() - offset});
      WaitGroup done;
      done.go([&] { EXPECT_EQUAL(checks, stream.writer.writev(pieces).value_or(0), data.size()); });

      std::vector<std::byte> received(data.size());
      std::size_t position = 0;
      while (position < received.size()) {
        const std::size_t left = received.size() - position;
        const std::size_t first = std::min<std::size_t>(left, 100);
        const std::array<iovec, 2> two{iovec{received.data() + position, first},
                                       iovec{received.data() + position + first, left - first}};
        auto n = stream.reader.readv(two);
        if (!n || *n == 0) break;
        position += *n;
      }
      done.wait();
      EXPECT_THAT(checks, received == data);
      EXPECT_EQUAL(checks, outcome(stream.writer.writev({})), "ok");
      EXPECT_EQUAL(checks, outcome(stream.reader.readv({})), "ok");
    }
  });
}

TEST_CASE("a half-closed connection still carries the answer") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    EXPECT_EQUAL(checks, outcome(client.write("request")), "ok");
    EXPECT_EQUAL(checks, outcome(client.close_write()), "ok");
    EXPECT_EQUAL(checks, read_all(server), "request");
    EXPECT_EQUAL(checks, outcome(server.write("answer")), "ok");
    EXPECT_EQUAL(checks, outcome(server.close()), "ok");
    EXPECT_EQUAL(checks, read_all(client), "answer");
    auto after_close_write = client.write("more");
    EXPECT_THAT(checks, !after_close_write && after_close_write.error().sys_errno() == EPIPE);
  });
}

TEST_CASE("close_read ends a parked read") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    std::string got = "unset";
    WaitGroup done;
    done.add(1);
    go([&, &server = server] {
      got = read_all(server);
      done.done();
    });
    EXPECT_THAT(checks, test::parked_on(checks, server.fd(), 0));
    EXPECT_EQUAL(checks, outcome(server.close_read()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, got, "");
    EXPECT_EQUAL(checks, outcome(server.write("still")), "ok");
    EXPECT_EQUAL(checks, read_some(client), "still");
  });
}

TEST_CASE("close_read ends every reader, those that wait for the first one too") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    WaitGroup done;
    done.go([&, &server = server] { EXPECT_EQUAL(checks, outcome(server.wait_readable()), "ok"); });
    EXPECT_THAT(checks, test::parked_on(checks, server.fd(), 0));
    for (int i = 0; i < 2; ++i) done.go([&, &server = server] { EXPECT_EQUAL(checks, read_some(server), ""); });
    EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kFdMutex, 2));
    EXPECT_EQUAL(checks, outcome(server.close_read()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, outcome(server.wait_readable()), "ok");
    EXPECT_EQUAL(checks, outcome(server.set_read_deadline(after(std::chrono::seconds(-1)))), "ok");
    EXPECT_EQUAL(checks, outcome(server.wait_readable()), "timeout");
  });
}

TEST_CASE("close_read, data and deadlines race, and readers get the stream up to somewhere and then its end") {
  test::in_every_setup([](Checks& checks) {
    for (unsigned round = 0; round < 30; round += 3) {
      auto pair = test::tcp_pair(checks);
      auto& [client, server] = pair;
      std::atomic<bool> shut{false};
      std::atomic<unsigned> sent{0}, received{0}, sum{0}, reading{2}, unexpected{0};
      WaitGroup done;
      for (int i = 0; i < 2; ++i) {
        done.go([&, &server = server] {
          std::array<std::byte, 3> buffer;
          for (;;) {
            auto n = server.read(buffer);
            if (n && *n == 0) break;
            if (n) {
              for (std::size_t at = 0; at < *n; ++at) sum += static_cast<unsigned>(buffer[at]);
              received += static_cast<unsigned>(*n);
            } else if (n.error().is(ErrorKind::kTimeout)) {
              yield();
            } else {
              ++unexpected;
              break;
            }
          }
          --reading;
        });
      }
      done.go([&, &client = client] {
        while (!shut && sent < 1000) {
          const std::byte next{static_cast<unsigned char>(sent++ % 251)};
          if (!client.write(std::span(&next, 1))) break;
          if (sent % 3 == 0) yield();
        }
      });
      done.go([&, &server = server] {
        for (unsigned i = 0; reading > 0; ++i) {
          const auto deadline = after(std::chrono::microseconds(i % 2 == 0 ? 1 : 1'000'000));
          EXPECT_EQUAL(checks, outcome(server.set_read_deadline(deadline)), "ok");
          yield();
        }
      });
      for (unsigned i = 0; i < round; ++i) yield();
      EXPECT_EQUAL(checks, outcome(server.close_read()), "ok");
      shut = true;
      done.wait();
      EXPECT_EQUAL(checks, unexpected.load(), 0u);
      EXPECT_THAT(checks, received <= sent);
      unsigned of_the_first = 0;
      for (unsigned i = 0; i < received; ++i) of_the_first += i % 251;
      EXPECT_EQUAL(checks, sum.load(), of_the_first);
    }
  });
}

TEST_CASE("a pipe has no halves to close") {
  test::in_default_setup([](Checks& checks) {
    auto ends = pipe();
    EXPECT_EQUAL(checks, outcome(ends->first.close_read()), "not-supported");
    EXPECT_EQUAL(checks, outcome(ends->second.close_write()), "not-supported");
    EXPECT_EQUAL(checks, outcome(ends->first.close()), "ok");
    EXPECT_EQUAL(checks, outcome(ends->first.close_read()), "closing");
  });
}

TEST_CASE("writing to a stream without reader is EPIPE and no signal") {
  test::in_every_setup([](Checks& checks) {
    for (Stream& stream : every_stream(checks)) {
      EXPECT_EQUAL(checks, outcome(stream.reader.close()), "ok");
      // TCP learns of it by the answer to the first write.
      int code = 0;
      EXPECT_THAT(checks, test::soon([&] {
                    auto written = stream.writer.write("anybody?");
                    if (!written) code = written.error().sys_errno();
                    return !written;
                  }));
      EXPECT_THAT(checks, code == EPIPE || code == ECONNRESET);
    }
  });
}

TEST_CASE("a connection that is reset reports it to the reader") {
  test::in_every_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    EXPECT_EQUAL(checks, outcome(client.raw().control([](int fd) {
                   const linger now{.l_onoff = 1, .l_linger = 0};
                   setsockopt(fd, SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&now), sizeof now);
                 })),
                 "ok");
    const std::string peer = server.peer().str();
    std::string got;
    WaitGroup done;
    done.add(1);
    go([&, &server = server] {
      got = read_some(server);
      done.done();
    });
    EXPECT_THAT(checks, test::parked_on(checks, server.fd(), 0));
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    done.wait();
    EXPECT_EQUAL(checks, got, "<read " + peer + ": Connection reset by peer>");
  });
}

TEST_CASE("read_full wants it all") {
  test::in_every_setup([](Checks& checks) {
    auto sockets = socket_pair();
    std::array<std::byte, 8> buffer;
    WaitGroup done;
    done.go([&] {
      EXPECT_EQUAL(checks, outcome(sockets->first.write("1234")), "ok");
      yield();
      EXPECT_EQUAL(checks, outcome(sockets->first.write("5678abc")), "ok");
      EXPECT_EQUAL(checks, outcome(sockets->first.close()), "ok");
    });
    EXPECT_EQUAL(checks, outcome(sockets->second.read_full(buffer)), "ok");
    EXPECT_THAT(checks, std::equal(buffer.begin(), buffer.end(), bytes("12345678").begin()));
    EXPECT_EQUAL(checks, outcome(sockets->second.read_full(buffer)), "eof");
    done.wait();
  });
}

TEST_CASE("wait_readable returns when a read would") {
  test::in_every_setup([](Checks& checks) {
    for (Stream& stream : every_stream(checks)) {
      std::atomic<bool> readable{false};
      WaitGroup done;
      done.add(1);
      go([&] {
        EXPECT_EQUAL(checks, outcome(stream.reader.wait_readable()), "ok");
        readable = true;
        done.done();
      });
      EXPECT_THAT(checks, test::parked_on(checks, stream.reader.fd(), 0));
      EXPECT_THAT(checks, !readable);
      EXPECT_EQUAL(checks, outcome(stream.writer.write("abcd")), "ok");
      done.wait();
      // Still there, asked twice; and what a read left over counts, however full its buffer was.
      EXPECT_EQUAL(checks, outcome(stream.reader.wait_readable()), "ok");
      EXPECT_EQUAL(checks, read_some(stream.reader, 2), "ab");
      EXPECT_EQUAL(checks, outcome(stream.reader.wait_readable()), "ok");
      EXPECT_EQUAL(checks, read_some(stream.reader, 2), "cd");
      EXPECT_EQUAL(checks, outcome(stream.reader.set_read_deadline(after(std::chrono::milliseconds(5)))), "ok");
      EXPECT_EQUAL(checks, outcome(stream.reader.wait_readable()), "timeout");
      EXPECT_EQUAL(checks, outcome(stream.reader.set_read_deadline(kNoDeadline)), "ok");
      EXPECT_EQUAL(checks, outcome(stream.writer.close()), "ok");
      EXPECT_EQUAL(checks, outcome(stream.reader.wait_readable()), "ok");
      EXPECT_EQUAL(checks, read_some(stream.reader), "");
      EXPECT_EQUAL(checks, outcome(stream.reader.wait_readable()), "ok");
    }
  });
}

TEST_CASE("an empty buffer reads nothing and does not park") {
  test::in_default_setup([](Checks& checks) {
    auto sockets = socket_pair();
    EXPECT_EQUAL(checks, sockets->first.read({}).value_or(9), 0u);
    EXPECT_EQUAL(checks, sockets->first.write(std::string_view()).value_or(9), 0u);
  });
}

TEST_CASE("send_file sends a part of a file") {
  test::in_every_setup([](Checks& checks) {
    const std::vector<std::byte> data = pattern(6'000'000, 5);
    const std::string path = test::fresh_path("sendfile");
    auto file = File::open(path, O_RDWR | O_CREAT, 0600);
    EXPECT_EQUAL(checks, file->write(data).value_or(0), data.size());
    auto [client, server] = test::tcp_pair(checks);
    WaitGroup done;
    done.go([&, &client = client] {
      EXPECT_EQUAL(checks, client.send_file(file->fd(), 1000, 5'000'000).value_or(0), 5'000'000u);
      // Ends with the file.
      EXPECT_EQUAL(checks, client.send_file(file->fd(), 5'999'000, 5'000).value_or(0), 1'000u);
      EXPECT_EQUAL(checks, client.send_file(file->fd(), 7'000'000, 5'000).value_or(9), 0u);
      EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    });
    const std::string got = read_all(server);
    done.wait();
    EXPECT_EQUAL(checks, outcome(file->close()), "ok");
    unlink(path.c_str());
    EXPECT_EQUAL(checks, got.size(), 5'001'000u);
    EXPECT_THAT(checks, got.size() == 5'001'000u && std::equal(got.begin(), got.begin() + 5'000'000,
                                                               reinterpret_cast<const char*>(data.data()) + 1000));
  });
}

TEST_CASE("both ends know both addresses") {
  test::in_default_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    EXPECT_THAT(checks, client.local().valid());
    EXPECT_EQUAL(checks, client.local().str(), server.peer().str());
    EXPECT_EQUAL(checks, client.peer().str(), server.local().str());
    auto ends = pipe();
    EXPECT_THAT(checks, !ends->first.local().valid());
    EXPECT_THAT(checks, !ends->first.peer().valid());
    const Addr peer = client.peer();
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    EXPECT_EQUAL(checks, client.peer().str(), peer.str());
    EXPECT_EQUAL(checks, client.fd(), -1);
  });
}

TEST_CASE("an error names the operation and the address") {
  test::in_default_setup([](Checks& checks) {
    auto [client, server] = test::tcp_pair(checks);
    const std::string peer = client.peer().str();
    EXPECT_EQUAL(checks, outcome(client.set_deadline(after(std::chrono::seconds(-1)))), "ok");
    EXPECT_EQUAL(checks, read_some(client), "<read " + peer + ": deadline exceeded>");
    EXPECT_EQUAL(checks, client.write("x").error().message(), "write " + peer + ": deadline exceeded");
    EXPECT_EQUAL(checks, outcome(client.close()), "ok");
    EXPECT_EQUAL(checks, read_some(client), "<read " + peer + ": use of closed connection>");
    EXPECT_EQUAL(checks, client.close().error().message(), "close " + peer + ": use of closed connection");
  });
}

TEST_CASE("a Conn that holds nothing is closed") {
  test::in_default_setup([](Checks& checks) {
    Conn nothing;
    std::array<std::byte, 4> buffer;
    EXPECT_THAT(checks, !nothing.valid());
    EXPECT_EQUAL(checks, outcome(nothing.read(buffer)), "closing");
    EXPECT_EQUAL(checks, outcome(nothing.write("x")), "closing");
    EXPECT_EQUAL(checks, outcome(nothing.close()), "closing");
    EXPECT_EQUAL(checks, outcome(nothing.set_deadline(kNoDeadline)), "closing");
    EXPECT_EQUAL(checks, outcome(nothing.wait_readable()), "closing");
    EXPECT_EQUAL(checks, outcome(nothing.raw().control([](int) {})), "closing");
    EXPECT_THAT(checks, !nothing.local().valid() && !nothing.peer().valid());

    auto sockets = socket_pair();
    nothing = std::move(sockets->first);
    EXPECT_THAT(checks, nothing.valid() && !sockets->first.valid());
    nothing = Conn();
    EXPECT_EQUAL(checks, read_some(sockets->second), "");
  });
}

}  // namespace netpoll
