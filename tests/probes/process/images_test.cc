// Names for the addresses of a program and its libraries.
#include "probes/process/images.h"

#include <unistd.h>

#include <cstdio>

#include "tests/support/catch.h"
#include "tests/support/skip.h"

using namespace netpoll::probes;
using netpoll::symbols::CodeMap;

namespace some::place {
[[gnu::noinline]] int function_with_a_name(int x) {
  __asm__ volatile("");
  return x + 1;
}
}  // namespace some::place

TEST_CASE("addresses of the program and of its libraries get names") {
  if (*CodeMap::missing() != '\0') NETPOLL_SKIP(CodeMap::missing());
  const auto own = reinterpret_cast<std::uint64_t>(&some::place::function_with_a_name);
  const auto library = reinterpret_cast<std::uint64_t>(&std::puts);
  auto subject = make_live_subject(getpid());
  REQUIRE(subject);
  CodeMap code([&](std::uint64_t address) { return image_at(**subject, address); });
  for (const std::uint64_t address : {own, own + 1}) {
    const auto& frames = code.frames_at(address);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].function == "some::place::function_with_a_name(int)");
    CHECK(frames[0].entry_pc == own);
    CHECK_THAT(frames[0].file, Catch::Matchers::EndsWith("tests/probes/process/images_test.cc"));
    CHECK(frames[0].line >= 14);
    CHECK(frames[0].line <= 17);
  }
  REQUIRE(code.frames_at(16).size() == 1);
  CHECK(code.frames_at(16)[0].function.empty());
  CHECK(code.cfi_row(16) == nullptr);
  REQUIRE(code.cfi_row(own) != nullptr);
  CHECK(code.cfi_row(own)->start == own);
#ifndef __SANITIZE_ADDRESS__
  CHECK_THAT(code.frames_at(library).back().function, Catch::Matchers::Contains("puts"));
#endif
}
