// Addresses: parsed, printed, refused.
#include "netpoll/net/addr.h"

#include <cstddef>
#include <string>

#include "libruntime/net/ip_name.h"
#include "tests/support/catch.h"

namespace netpoll {
namespace {

std::string round_trip(const std::string& text) {
  auto addr = Addr::parse(text);
  return addr ? addr->str() : "<" + std::string(error_kind_name(addr.error().kind())) + ">";
}

}  // namespace

TEST_CASE("an address prints as it was written") {
  for (const char* text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:443", "[2001:db8::7]:1",
                           "unix:/run/a.sock", "unix:relative.sock", "unix:@abstract", "[fe80::1%1]:9"}) {
    CHECK(round_trip(text) == text);
  }
}

TEST_CASE("short forms of addresses mean what people expect") {
  CHECK(round_trip("localhost:8080") == "127.0.0.1:8080");
  CHECK(round_trip(":8080") == "[::]:8080");
  CHECK(round_trip("[fe80::1%lo]:9") == "[fe80::1%1]:9");
  CHECK(Addr::loopback(7).str() == "127.0.0.1:7");
}

TEST_CASE("what is not an address is refused with a hint") {
  for (const char* text :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8x", "::1:80", "[::1:80",
        "[::1]80", "[]:80", "example.org:80", "300.1.1.1:80", "unix:", "[fe80::1%nope]:9", "127.0.0.1 :80"}) {
    INFO(text);
    auto addr = Addr::parse(text);
    REQUIRE_FALSE(addr.has_value());
    CHECK(addr.error().is(ErrorKind::kInvalid));
    CHECK_FALSE(addr.error().hint().empty());
  }
}

TEST_CASE("a Unix path may have 107 bytes and an abstract name may, too") {
  CHECK(Addr::parse("unix:" + std::string(107, 'p')).has_value());
  CHECK_FALSE(Addr::parse("unix:" + std::string(108, 'p')).has_value());
  CHECK(Addr::parse("unix:@" + std::string(107, 'n')).has_value());
  CHECK_FALSE(Addr::parse("unix:@" + std::string(108, 'n')).has_value());
  CHECK(Addr::parse("unix:" + std::string(107, 'p'))->unix_path() == std::string(107, 'p'));
  CHECK(Addr::parse("unix:@name")->unix_path().empty());
}

TEST_CASE("a default address names nothing") {
  const Addr nothing;
  CHECK_FALSE(nothing.valid());
  CHECK_FALSE(nothing.is_ip());
  CHECK(nothing.str().empty());
  CHECK(nothing.port() == 0);
  CHECK(nothing == Addr());
  CHECK_FALSE(nothing == Addr::loopback());
}

TEST_CASE("an unnamed Unix socket has no address") {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  CHECK_FALSE(Addr::from_sockaddr(reinterpret_cast<sockaddr*>(&un), sizeof(sa_family_t)).valid());
  CHECK_FALSE(Addr::from_sockaddr(nullptr, 0).valid());
}

TEST_CASE("a Unix path counts the same with and without its final NUL") {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  un.sun_path[0] = 'a';
  const auto* sa = reinterpret_cast<sockaddr*>(&un);
  const Addr bare = Addr::from_sockaddr(sa, offsetof(sockaddr_un, sun_path) + 1);
  const Addr terminated = Addr::from_sockaddr(sa, offsetof(sockaddr_un, sun_path) + 2);
  CHECK(bare.str() == "unix:a");
  CHECK(bare == terminated);
}

TEST_CASE("the port can be replaced") {
  CHECK(Addr::parse("127.0.0.1:0")->with_port(99).str() == "127.0.0.1:99");
  CHECK(Addr::parse("[::1]:0")->with_port(99).str() == "[::1]:99");
  CHECK(Addr::parse("unix:/x")->with_port(99).str() == "unix:/x");
  CHECK(Addr::parse("[::1]:5")->port() == 5);
}

TEST_CASE("the short name of an IP address gives the address back, and nothing for others") {
  for (const char* text : {"127.0.0.1:80", "[2001:db8::7]:1", "[fe80::1%1]:9"}) {
    CHECK(net::IpName::of(*Addr::parse(text)).addr() == *Addr::parse(text));
  }
  CHECK_FALSE(net::IpName::of(*Addr::parse("unix:/x")).addr().valid());
  CHECK_FALSE(net::IpName::of(Addr()).addr().valid());
}

}  // namespace netpoll
