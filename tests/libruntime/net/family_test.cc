// IPv4 and IPv6 on one socket: mapped addresses and wildcards, by the rules of Go.
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "libruntime/net/socket.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/net/packet_conn.h"
#include "tests/libruntime/net/support.h"
#include "tests/support/skip.h"

namespace netpoll {
namespace {

using test::bytes;
using test::Checks;
using test::outcome;

Addr parsed(const std::string& text) { return Addr::parse(text).value(); }

bool have_ipv6() {
  const Fd fd(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const Addr loopback = parsed("[::1]:0");
  return fd.get() >= 0 && ::bind(fd.get(), loopback.data(), loopback.size()) == 0;
}

struct Pair {
  std::string local;
  std::string peer;
};
Pair agreed(const std::string& local, const std::string& peer) {
  Addr l = local.empty() ? Addr() : parsed(local);
  Addr p = parsed(peer);
  net::agree_on_family(l, p);
  return {l.str(), p.str()};
}

}  // namespace

TEST_CASE("an address is named in the other family where it has a name there") {
  struct Row {
    const char* text;
    const char* as_four;
    const char* as_six;
  };
  for (const auto& [text, as_four, as_six] : std::vector<Row>{
           {"127.0.0.1:80", "127.0.0.1:80", "[::ffff:127.0.0.1]:80"},
           {"[::ffff:10.1.2.3]:9", "10.1.2.3:9", "[::ffff:10.1.2.3]:9"},
           {":7", "0.0.0.0:7", "[::]:7"},
           {"0.0.0.0:7", "0.0.0.0:7", "[::]:7"},
           {"[::1]:80", "[::1]:80", "[::1]:80"},
           {"[fe80::1%1]:80", "[fe80::1%1]:80", "[fe80::1%1]:80"},
           {"unix:/x", "unix:/x", "unix:/x"},
       }) {
    CAPTURE(text);
    CHECK(net::in_family(parsed(text), AF_INET) == parsed(as_four));
    CHECK(net::in_family(parsed(text), AF_INET6) == parsed(as_six));
    CHECK(net::in_family(parsed(text), AF_UNSPEC) == parsed(text));
  }
  CHECK_FALSE(net::in_family(Addr(), AF_INET).valid());
}

TEST_CASE("the two ends of a socket agree on a family as in Go") {
  struct Row {
    const char* local;
    const char* peer;
    const char* agreed_local;
    const char* agreed_peer;
  };
  for (const auto& [local, peer, agreed_local, agreed_peer] : std::vector<Row>{
           {"", "127.0.0.1:80", "", "127.0.0.1:80"},
           {"", "[::ffff:127.0.0.1]:80", "", "127.0.0.1:80"},
           {"", "[::1]:80", "", "[::1]:80"},
           {"", ":80", "", "[::]:80"},
           {":5", "127.0.0.1:80", "0.0.0.0:5", "127.0.0.1:80"},
           {":5", "[::ffff:127.0.0.1]:80", "0.0.0.0:5", "127.0.0.1:80"},
           {":5", "[::1]:80", "[::]:5", "[::1]:80"},
           {"0.0.0.0:5", "[::1]:80", "[::]:5", "[::1]:80"},
           {"127.0.0.1:5", "[::ffff:127.0.0.1]:80", "127.0.0.1:5", "127.0.0.1:80"},
           {"[::ffff:127.0.0.1]:5", "127.0.0.1:80", "127.0.0.1:5", "127.0.0.1:80"},
           {"127.0.0.1:5", ":80", "127.0.0.1:5", "0.0.0.0:80"},
           {"[::1]:5", "0.0.0.0:80", "[::1]:5", "[::]:80"},
           {"[::1]:5", "127.0.0.1:80", "[::1]:5", "127.0.0.1:80"},
           {"unix:/a", "unix:/b", "unix:/a", "unix:/b"},
       }) {
    CAPTURE(local, peer);
    CHECK(agreed(local, peer).local == agreed_local);
    CHECK(agreed(local, peer).peer == agreed_peer);
  }
}

TEST_CASE("datagrams go to the same place whichever way its address is written") {
  if (!have_ipv6()) NETPOLL_SKIP("no IPv6 on this machine");
  test::in_every_setup([](Checks& checks) {
    auto four = PacketConn::bind("127.0.0.1:0");
    auto both = PacketConn::bind(":0");
    const std::string four_port = std::to_string(four->local().port());
    const std::string both_port = std::to_string(both->local().port());
    std::array<std::byte, 8> buffer;
    Addr from;
    const auto arrives = [&](PacketConn& sender, const std::string& to, PacketConn& receiver) {
      EXPECT_EQUAL(checks, to + " " + outcome(sender.write_to(bytes("x"), parsed(to))), to + " ok");
      (void)receiver.set_read_deadline(after(std::chrono::seconds(20)));
      EXPECT_EQUAL(checks, to + " " + outcome(receiver.read_from(buffer, &from)), to + " ok");
    };
    for (PacketConn* receiver : {&*four, &*both}) {
      const std::string port = std::to_string(receiver->local().port());
      for (PacketConn* sender : {&*four, &*both}) {
        arrives(*sender, "127.0.0.1:" + port, *receiver);
        // An answer to where it came from, in whichever family that was told.
        EXPECT_EQUAL(checks, outcome(receiver->write_to(bytes("y"), from)), "ok");
        EXPECT_EQUAL(checks, outcome(sender->read(buffer)), "ok");
        arrives(*sender, "[::ffff:127.0.0.1]:" + port, *receiver);
      }
    }
    arrives(*four, ":" + both_port, *both);
    arrives(*both, "[::1]:" + both_port, *both);
    // No IPv4 name: the kernel says why.
    EXPECT_EQUAL(checks, four->write_to(bytes("x"), parsed("[::1]:" + both_port)).error().sys_errno(), EAFNOSUPPORT);
    for (const std::string& to : {"127.0.0.1:" + four_port, "[::ffff:127.0.0.1]:" + four_port}) {
      for (const std::string local : {":0", "0.0.0.0:0", "127.0.0.1:0", "[::ffff:127.0.0.1]:0"}) {
        auto connected = PacketConn::connect(parsed(to), parsed(local));
        EXPECT_EQUAL(checks, local + " to " + to + " " + outcome(connected), local + " to " + to + " ok");
        if (!connected) continue;
        EXPECT_EQUAL(checks, outcome(connected->write(bytes("x"))), "ok");
        EXPECT_EQUAL(checks, outcome(four->read(buffer)), "ok");
      }
    }
  });
}

TEST_CASE("a dial reaches its listener whichever way the two ends are written") {
  if (!have_ipv6()) NETPOLL_SKIP("no IPv6 on this machine");
  test::in_every_setup([](Checks& checks) {
    auto listener = Listener::listen(":0");
    const std::string port = std::to_string(listener->local().port());
    struct Row {
      const char* host;
      std::vector<const char*> locals;
    };
    for (const auto& [host, locals] : std::vector<Row>{
             {"127.0.0.1", {":0", "0.0.0.0:0", "127.0.0.1:0", "[::ffff:127.0.0.1]:0"}},
             {"[::ffff:127.0.0.1]", {":0", "0.0.0.0:0", "127.0.0.1:0", "[::ffff:127.0.0.1]:0"}},
             {"[::1]", {":0", "0.0.0.0:0", "[::1]:0"}},
             {"", {":0", "0.0.0.0:0", "127.0.0.1:0", "[::1]:0"}},
             {"0.0.0.0", {":0", "0.0.0.0:0", "127.0.0.1:0"}},
         }) {
      for (const char* local : locals) {
        const std::string what = std::string(local) + " to " + host + ":";
        auto conn = dial(host + (":" + port), {.deadline = after(std::chrono::seconds(20)), .local = parsed(local)});
        EXPECT_EQUAL(checks, what + (conn ? "ok" : conn.error().message()), what + "ok");
        if (!conn) continue;
        EXPECT_THAT(checks, conn->local().port() != 0);
        EXPECT_EQUAL(checks, outcome(listener->accept()), "ok");
      }
    }
  });
}

}  // namespace netpoll
