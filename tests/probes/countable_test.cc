// Which programs can be counted.
#include "probes/countable.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace netpoll::probes {
namespace {

struct ScratchFile {
  explicit ScratchFile(const std::string& bytes) {
    char name[] = "/tmp/netpoll-countable-XXXXXX";
    ::close(::mkstemp(name));
    path = name;
    std::ofstream(path, std::ios::binary) << bytes;
  }
  ~ScratchFile() { ::unlink(path.c_str()); }
  std::string path;
};

}  // namespace

TEST_CASE("the word size of a program is told from its first bytes") {
  CHECK(program_kind("/proc/self/exe") == ProgramKind::kElf64);
  CHECK(program_kind("/nonexistent") == ProgramKind::kNone);
  CHECK(program_kind("/tmp") == ProgramKind::kNone);
  const ScratchFile script("#!/bin/sh\ntrue\nexit 0\n"), small(
                                                             "\x7f"
                                                             "ELF");
  CHECK(program_kind(script.path) == ProgramKind::kNone);
  CHECK(program_kind(small.path) == ProgramKind::kNone);
}

TEST_CASE("a 32-bit program is refused") {
  const ScratchFile program(std::string("\x7f"
                                        "ELF\x01\x01\x01") +
                            std::string(64, '\0'));
  CHECK(program_kind(program.path) == ProgramKind::kElf32);
  auto fit = check_countable({.pid = ::getpid(), .held = true, .exe = program.path});
  REQUIRE_FALSE(fit);
  CHECK(fit.error().is(ErrorKind::kNotSupported));
  CHECK(fit.error().message().find("32-bit") != std::string::npos);
}

TEST_CASE("a kernel thread is refused, however it is called") {
  // Process 2 is kthreadd, except in a container with its own process ids.
  std::string name;
  std::getline(std::ifstream("/proc/2/comm"), name);
  if (name != "kthreadd") NETPOLL_SKIP("kernel threads are not visible here");
  auto fit = check_countable({.pid = 2});
  REQUIRE_FALSE(fit);
  CHECK(fit.error().is(ErrorKind::kNotSupported));
  CHECK(fit.error().message().find("kernel thread") != std::string::npos);
}

TEST_CASE("an ordinary process is fit") { CHECK(check_countable({.pid = ::getpid()})); }

}  // namespace netpoll::probes
