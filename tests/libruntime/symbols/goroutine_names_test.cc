// What goroutines are called after.
#include "libruntime/symbols/goroutine_names.h"

#include "tests/support/catch.h"

using netpoll::symbols::goroutine_function;
using netpoll::symbols::is_runtime_function;

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

TEST_CASE("a goroutine that rests is called after what was handed to go_when_readable") {
  CHECK(goroutine_function("netpoll::detail::WhenReadable<serve(int)::{lambda(netpoll::Conn&)#1}>::run(void*)") ==
        "serve(int)::{lambda(netpoll::Conn&)#1}");
  CHECK(goroutine_function("netpoll::detail::WhenReadable<netpoll::detail::Boxed<serve(int)::$_0> >::run(void*)") ==
        "serve(int)::$_0");
}

TEST_CASE("other functions keep their name") {
  CHECK(goroutine_function("serve(netpoll::detail::spawn<int>)") == "serve(netpoll::detail::spawn<int>)");
  CHECK(goroutine_function("main") == "main");
  CHECK(goroutine_function("void netpoll::detail::spawn<unbalanced") == "void netpoll::detail::spawn<unbalanced");
  CHECK(goroutine_function("").empty());
}

TEST_CASE("what the runtime does for a goroutine is hidden, what the goroutine calls is not") {
  CHECK(is_runtime_function("netpoll::sched::Scheduler::park(bool (*)(netpoll::sched::G*, void*), void*)"));
  CHECK(is_runtime_function("netpoll_context_entry"));
  CHECK(is_runtime_function("void netpoll::detail::spawn<f>(f&&)::{lambda(void*)#1}::_FUN(void*)"));
  CHECK_FALSE(is_runtime_function("netpoll::Conn::read(std::span<std::byte, 18446744073709551615ul>)"));
  CHECK_FALSE(is_runtime_function("netpoll::net::NetFd::read(void*, unsigned long)"));
  CHECK_FALSE(is_runtime_function("my::netpoll::sched::f()"));
  CHECK_FALSE(is_runtime_function(""));
}
