// A stranger's program: one goroutine answers over a TCP connection, the main goroutine asks. Prints the answer.
#include <netpoll/net/conn.h>
#include <netpoll/net/dial.h>
#include <netpoll/net/listener.h>
#include <netpoll/net/when_readable.h>
#include <netpoll/runtime.h>
#include <poll.h>

#include <array>
#include <cstdio>
#include <span>

namespace {

int fail(const netpoll::Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return 1;
}

// The system's functions are found beside our names.
int call_poll() {
  using namespace netpoll;
  return poll(nullptr, 0, 0);
}

int ask_and_answer() {
  if (call_poll() != 0) return 1;
  auto listener = netpoll::Listener::listen("127.0.0.1:0");
  if (!listener) return fail(listener.error());
  netpoll::go([&listener] {
    auto conn = listener->accept();
    if (!conn) return;
    netpoll::go_when_readable(std::move(*conn), [](netpoll::Conn& served, const netpoll::Result<void>& ready) {
      std::array<std::byte, 4> bytes;
      if (ready && served.read_full(bytes)) (void)served.write(bytes);
      return false;
    });
  });
  auto conn = netpoll::dial(listener->local());
  if (!conn) return fail(conn.error());
  std::array<char, 4> bytes = {'p', 'i', 'n', 'g'};
  if (auto sent = conn->write(std::as_bytes(std::span(bytes))); !sent) return fail(sent.error());
  bytes.fill('?');
  if (auto got = conn->read_full(std::as_writable_bytes(std::span(bytes))); !got) return fail(got.error());
  std::printf("%.4s\n", bytes.data());
  return bytes[0] == 'p' ? 0 : 1;
}

}  // namespace

int main() {
  int status = 1;
  netpoll::Runtime runtime({.procs = 2});
  runtime.run([&status] { status = ask_and_answer(); });
  return status;
}
