// main() of every test binary: Catch2 with our exit status for skipped tests.
#define CATCH_CONFIG_RUNNER
#include "tests/support/catch.h"

#include <cstdio>
#include <string>

#include "tests/support/skip.h"

namespace netpoll::test {
namespace {
int skipped = 0;
bool case_skipped = false;  // a case that skips several of its parts is one skipped case
}  // namespace

void note_skip(std::string_view reason) {
  if (!case_skipped) ++skipped;
  case_skipped = true;
  std::fprintf(stderr, "SKIPPED: %.*s\n", static_cast<int>(reason.size()), reason.data());
}

}  // namespace netpoll::test

namespace {
int cases_run = 0;

struct CountCases {
  static void ran() {
    ++cases_run;
    netpoll::test::case_skipped = false;
  }
};
}  // namespace

#if __has_include(<catch2/catch_all.hpp>)
class CaseCounter : public Catch::EventListenerBase {
 public:
  using EventListenerBase::EventListenerBase;
  void testCaseStarting(const Catch::TestCaseInfo&) override { CountCases::ran(); }
};
#else
class CaseCounter : public Catch::TestEventListenerBase {
 public:
  using TestEventListenerBase::TestEventListenerBase;
  void testCaseStarting(const Catch::TestCaseInfo&) override { CountCases::ran(); }
};
#endif
CATCH_REGISTER_LISTENER(CaseCounter)

// Defined by what is linked in where a whole test program may be impossible here: why, or null. Windows' programs have
// no symbols that may stay undefined, and no such tests.
#if defined(_WIN32)
constexpr const char* (*netpoll_test_cannot_run)() = nullptr;
#else
[[gnu::weak]] const char* netpoll_test_cannot_run();
#endif

int main(int argc, char** argv) {
  if (netpoll_test_cannot_run != nullptr) {
    if (const char* reason = netpoll_test_cannot_run()) {
      std::fprintf(stderr, "SKIPPED: %s\n", reason);
      return 77;
    }
  }
  const int failed = Catch::Session().run(argc, argv);
  if (netpoll::test::skipped > 0) {
    std::fprintf(stderr, "%d of %d cases skipped, see the reasons above\n", netpoll::test::skipped, cases_run);
  }
  if (failed == 0 && cases_run > 0 && netpoll::test::skipped == cases_run) return 77;
  return failed;
}
