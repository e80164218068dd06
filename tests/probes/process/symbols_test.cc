#include "probes/process/symbols.h"

#include <unistd.h>

#include <array>
#include <cstdio>

#include "tests/support/catch.h"

using namespace netpoll::probes;

namespace some::place {
[[gnu::noinline]] int function_with_a_name(int x) {
  __asm__ volatile("");
  return x + 1;
}
}  // namespace some::place

TEST_CASE("a goroutine is called after what was handed to go") {
  // As gcc 12 and clang 14 mangle the entry of a goroutine.
  CHECK(goroutine_function("void netpoll::detail::spawn<serve(int)::{lambda()#1}>(serve(int)::{lambda()#1}&&)"
                           "::{lambda(void*)#1}::_FUN(void*)") == "serve(int)::{lambda()#1}");
  CHECK(goroutine_function(
            "netpoll::detail::spawn<serve(int)::$_0>(serve(int)::$_0&&)::'lambda'(void*)::__invoke(void*)") ==
        "serve(int)::$_0");
  CHECK(goroutine_function(
            "void netpoll::detail::spawn<netpoll::Runtime::run<main::{lambda()#1}>(main::{lambda()#1}&&, "
            "netpoll::Runtime::Shutdown)::{lambda()#1}>(X&&)::{lambda(void*)#1}::_FUN(void*)") == "main::{lambda()#1}");
  CHECK(goroutine_function(
            "void netpoll::detail::spawn<std::vector<std::array<int, 3ul>, (&operator-><int>)>::f>(int)") ==
        "std::vector<std::array<int, 3ul>, (&operator-><int>)>::f");
}

TEST_CASE("other functions keep their name") {
  CHECK(goroutine_function("serve(netpoll::detail::spawn<int>)") == "serve(netpoll::detail::spawn<int>)");
  CHECK(goroutine_function("main") == "main");
  CHECK(goroutine_function("void netpoll::detail::spawn<unbalanced") == "void netpoll::detail::spawn<unbalanced");
  CHECK(goroutine_function("").empty());
}

TEST_CASE("addresses of the program and of its libraries get names") {
  const auto own = reinterpret_cast<std::uint64_t>(&some::place::function_with_a_name);
  const auto library = reinterpret_cast<std::uint64_t>(&std::puts);
  auto subject = make_live_subject(getpid());
  REQUIRE(subject);
  const std::array<std::uint64_t, 4> wanted = {own, own + 1, library, 16};
  auto names = resolve_symbols(**subject, wanted);
  CHECK(names[own] == "some::place::function_with_a_name(int)");
  CHECK(names[own + 1] == "some::place::function_with_a_name(int)");
  CHECK(names.count(16) == 0);
#ifndef __SANITIZE_ADDRESS__
  CHECK_THAT(names[library], Catch::Matchers::Contains("puts"));
#endif
}
