// Programs that judge ours: what they say, and whether this machine has them.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "tests/support/catch.h"

namespace netpoll::test {

// What a command of the shell says on both streams, and its status, as wait(2) gives it.
inline std::pair<std::string, int> output_of(const std::string& command) {
  std::string output;
  std::FILE* pipe = popen(("( " + command + "\n) 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) output.append(buffer.data(), n);
  return {std::move(output), pclose(pipe)};
}

inline bool has_program(const std::string& name) {
  return std::system(("command -v " + name + " >/dev/null").c_str()) == 0;
}

}  // namespace netpoll::test
