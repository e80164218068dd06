// What the runtime says when a program breaks its rules. Each case runs in a process of its own
// (testprogs/crash_cases).
#include <sys/wait.h>

#include <initializer_list>
#include <string>
#include <utility>

#include "tests/support/catch.h"
#include "tests/support/shell.h"

namespace {

struct Outcome {
  std::string output;
  int status = 0;
  bool aborted() const {
    // A shell reports a signal as 128 + number.
    return (WIFSIGNALED(status) && WTERMSIG(status) == 6) || (WIFEXITED(status) && WEXITSTATUS(status) == 134);
  }
  bool says(const std::string& text) const { return output.find(text) != std::string::npos; }
};

Outcome run_case(const std::string& name, const std::string& environment = "") {
  auto [output, status] =
      netpoll::test::output_of("ulimit -c 0; " + environment + " " CRASH_LAUNCHER " '" + CRASH_CASES "' " + name);
  return {.output = std::move(output), .status = status};
}

// The case ends by abort(3), having said all of this.
void check_abort(const std::string& name, std::initializer_list<const char*> texts) {
  const Outcome outcome = run_case(name);
  INFO(name << ": " << outcome.output);
  CHECK(outcome.aborted());
  for (const char* text : texts) {
    INFO(text);
    CHECK(outcome.says(text));
  }
  CHECK_FALSE(outcome.says("went on"));
}

TEST_CASE("a goroutine that overflows its stack is named") {
  check_abort("overflow", {"goroutine ", ": stack overflow", "hint: raise netpoll::Config::stack_size"});
}

TEST_CASE("a frame that reaches beyond the guard is named too") {
  for (const char* name : {"overflow-frame-80", "overflow-frame-96", "overflow-frame-120", "overflow-frame-1024"}) {
    check_abort(name, {": stack overflow"});
  }
}

TEST_CASE("without a guard page an overflow is found when the goroutine switches away") {
  check_abort("overflow-unguarded", {": stack overflow", "hint: raise netpoll::Config::stack_size"});
}

TEST_CASE("more goroutines than the kernel has guards for run, and it is said once") {
  const Outcome outcome = run_case("many-unguarded");
  INFO(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(outcome.says("1000 done"));
  CHECK(outcome.says("hint: sysctl -w vm.max_map_count="));
  const auto first = outcome.output.find("no guard page");
  CHECK(first != std::string::npos);
  CHECK(outcome.output.find("no guard page", first + 1) == std::string::npos);
}

TEST_CASE("when all goroutines are asleep each of them is printed") {
  const Outcome outcome = run_case("deadlock");
  INFO(outcome.output);
  CHECK(outcome.aborted());
  CHECK(outcome.says("all goroutines are asleep - deadlock!"));
  std::size_t listed = 0;
  for (auto at = outcome.output.find("status=waiting(chan receive)"); at != std::string::npos;
       at = outcome.output.find("status=waiting(chan receive)", at + 1)) {
    ++listed;
  }
  CHECK(listed == 2);
}

TEST_CASE("two Runtimes that wait for each other are deadlocked") {
  check_abort("deadlock-of-two", {"all goroutines are asleep - deadlock!"});
}

TEST_CASE("a deadlock is reported once the last who could have ended it is gone") {
  check_abort("deadlock-after-others", {"all goroutines are asleep - deadlock!"});
}

TEST_CASE("who may be woken from outside of its Runtime is not deadlocked") {
  for (const std::string name : {"fed-by-a-runtime", "fed-by-a-thread", "ended-by-a-handler"}) {
    for (const std::string mode : {"thread", "inline", "hybrid"}) {
      for (const std::string procs : {"1", "2", "8"}) {
        const Outcome outcome = run_case(name + " " + mode + " " + procs);
        INFO(name << " " << mode << " " << procs << ": " << outcome.output);
        CHECK(outcome.status == 0);
        CHECK((outcome.says("13 of 13 went on") || outcome.says("handler ran")));
      }
    }
  }
}

TEST_CASE("an escaping exception names the goroutine, the type and the message") {
  check_abort("exception", {"exception escaped: std::runtime_error: out of cheese", "[running]"});
}

TEST_CASE("a go_exit that somebody catches and keeps is fatal and names the goroutine") {
  check_abort("swallowed_exit", {"go_exit was caught on its way", "[running]"});
}

TEST_CASE("NETPOLLDEBUG hog names a goroutine that keeps its P") {
  const Outcome outcome = run_case("hog", "NETPOLLDEBUG=hog=50");
  INFO(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(outcome.says("HOG goroutine "));
}

TEST_CASE("NETPOLLDEBUG schedtrace and scheddetail print their documented lines") {
  const Outcome outcome = run_case("quiet", "NETPOLLDEBUG=schedtrace=10,scheddetail=1");
  INFO(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(outcome.says("SCHED "));
  CHECK(outcome.says("procs=2 "));
  CHECK(outcome.says("P0: status="));
  CHECK(outcome.says("status=waiting(sleep)"));
}

TEST_CASE("NETPOLLDEBUG polltrace prints each poll") {
  const Outcome outcome = run_case("quiet", "NETPOLLDEBUG=polltrace=1");
  INFO(outcome.output);
  CHECK(outcome.says("POLL enter timeout="));
  CHECK(outcome.says("POLL exit n=0"));
}

TEST_CASE("an unknown NETPOLLDEBUG key is reported once") {
  const Outcome outcome = run_case("quiet", "NETPOLLDEBUG=scedtrace=10,hog=x");
  INFO(outcome.output);
  CHECK(outcome.says("unknown key \"scedtrace\""));
  CHECK(outcome.says("bad value in \"hog=x\""));
}

}  // namespace
