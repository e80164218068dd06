// Waiting for the end of processes.
#include "probes/process/watch.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "probes/launch/child.h"
#include "tests/support/catch.h"

namespace netpoll::probes {

TEST_CASE("a running process times out, an ended one does not, before and after it is reaped") {
  auto child = launch({.argv = {"/bin/sleep", "1000"}});
  REQUIRE(child);
  auto watch = ProcessWatch::open(child->pid());
  REQUIRE(watch);
  CHECK(watch->alive());
  CHECK(*watch->wait(0, -1));
  CHECK(*watch->wait(10, -1));
  REQUIRE(child->send(SIGKILL));
  CHECK_FALSE(*watch->wait(-1, -1));
  CHECK_FALSE(watch->alive());
  REQUIRE(child->wait(-1));
  CHECK_FALSE(*watch->wait(-1, -1));
  auto again = ProcessWatch::open(child->pid());
  REQUIRE_FALSE(again);
  CHECK(again.error().is(ErrorKind::kNotFound));
}

TEST_CASE("a readable stop descriptor ends the wait") {
  auto watch = ProcessWatch::open(::getpid());
  REQUIRE(watch);
  int fds[2];
  REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
  const Fd in(fds[0]), out(fds[1]);
  REQUIRE(::write(out.get(), "x", 1) == 1);
  CHECK(*watch->wait(-1, in.get()));
}

TEST_CASE("signals do not shorten the wait") {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction before {};
  REQUIRE(::sigaction(SIGALRM, &action, &before) == 0);
  const itimerval often{{0, 2000}, {0, 2000}};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  timespec start{}, end{};
  ::clock_gettime(CLOCK_MONOTONIC, &start);
  auto watch = ProcessWatch::open(::getpid());
  REQUIRE(watch);
  CHECK(*watch->wait(50, -1));
  ::clock_gettime(CLOCK_MONOTONIC, &end);
  const itimerval never{};
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  // At least the time asked for: the clock is the same, so this holds on any machine.
  CHECK((end.tv_sec - start.tv_sec) * 1'000'000'000 + end.tv_nsec - start.tv_nsec >= 49'000'000);
}

TEST_CASE("what is not a process id is refused in words") {
  for (const pid_t pid : {0, -1}) {
    auto watch = ProcessWatch::open(pid);
    REQUIRE_FALSE(watch);
    CHECK(watch.error().is(ErrorKind::kInvalid));
  }
}

}  // namespace netpoll::probes
