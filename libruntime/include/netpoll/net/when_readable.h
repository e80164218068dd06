// when_readable.h: goroutines that keep no stack while their connection is idle.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/result.h"

namespace netpoll {

namespace detail {

template <typename F>
struct Boxed {
  std::unique_ptr<F> f;
  bool operator()(Conn& conn, Result<void> ready) { return (*f)(conn, std::move(ready)); }
};

// The closure of a goroutine of go_when_readable(). The debugger's view goes by the name of this struct
// (libruntime/symbols/goroutine_names.h).
template <typename F>
struct WhenReadable {
  Conn conn;
  RestingOperation* operation = nullptr;
  F f;

  static void run(void* closure) {
    auto& self = *static_cast<WhenReadable*>(closure);
    bool again = false;
    do {
      Result<void> ready = rest_until_readable(self.conn, self.operation);
      // It did not rest, so it always has something to read: others have their turn.
      if (again) yield();
      const bool over = !ready && (ready.error().is(ErrorKind::kClosing) || ready.error().is(ErrorKind::kCanceled));
      again = false;
      auto call = [&] { again = self.f(self.conn, std::move(ready)) && !over; };
      call_until_exit(call);
    } while (again);
    self.~WhenReadable();
  }
};

template <typename F>
void spawn_when_readable(Conn conn, F&& f, void* caller) {
  using Fn = std::decay_t<F>;
  using Closure = WhenReadable<Fn>;
  if constexpr (fits_record(sizeof(Closure), alignof(Closure))) {
    const Spawn made = spawn_begin_at_rest(caller);
    new (made.closure) Closure{std::move(conn), nullptr, std::forward<F>(f)};
    spawn_commit(made.g, &Closure::run);
  } else {
    spawn_when_readable(std::move(conn), Boxed<Fn>{std::make_unique<Fn>(std::forward<F>(f))}, caller);
  }
}

}  // namespace detail

// Serves conn with a goroutine that has a stack only while it has something to do: bool f(Conn& conn, Result<void>
// ready) is called whenever conn is readable, as wait_readable() means it, on whatever stack is there, and returns
// whether to wait again; the conn is closed and f destroyed when it does not, or when it calls go_exit(). It is one
// goroutine all the time, with one id. While it waits an idle connection costs some 320 bytes, where a goroutine that
// is parked in read() or wait_readable() keeps a page of stack and what it has there.
//
//   go_when_readable(std::move(*conn), [](Conn& conn, Result<void> ready) {
//     std::array<std::byte, 4096> buffer;
//     auto n = ready ? conn.read(buffer) : Result<std::size_t>(std::move(ready).error());
//     return n && *n != 0 && conn.write(std::span(buffer).first(*n));
//   });
//
// Where input came in pieces, f may be called once more when it has read all: a read then parks in it until there is
// more. f may do whatever a goroutine may, and park; then it keeps its stack, as every goroutine. What is to outlast a
// call of f lies in f: up to 16 bytes in the goroutine's record, more in an allocation of its own.
//
// While there is something to read f is called again and again, and others run in between. ready is an error once the
// read deadline has passed (kTimeout): f moves it, or ends the goroutine, for it would be called again at once. After
// kClosing and kCanceled it ends whatever f says. A goroutine with labels, its own or those of whoever called this,
// keeps its stack.
//
// Call from a goroutine, whose Runtime it belongs to. An exception that escapes f is fatal and names the goroutine.
template <typename F>
[[gnu::noinline]] void go_when_readable(Conn conn, F&& f) {
  detail::spawn_when_readable(std::move(conn), std::forward<F>(f), __builtin_return_address(0));
}

}  // namespace netpoll
