// What benchmarks have in common: numbers on their command line, and how the document begins that they print.
#pragma once

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace netpoll::bench {

struct NumberFlag {
  std::string_view name;  // "--rounds"
  std::uint64_t& value;   // keeps what it is where the flag is not given
  std::uint64_t least = 0;
};

// Reads "--rounds 15 --calls 1000"; ends the program at anything else.
inline void read_flags(int argc, char** argv, std::initializer_list<NumberFlag> flags) {
  for (int i = 1; i < argc; i += 2) {
    const NumberFlag* given = nullptr;
    for (const NumberFlag& flag : flags) {
      if (flag.name == argv[i]) given = &flag;
    }
    char* end = nullptr;
    if (given != nullptr && i + 1 < argc) given->value = std::strtoull(argv[i + 1], &end, 10);
    if (end != nullptr && end != argv[i + 1] && *end == '\0' && given->value >= given->least) continue;
    std::fprintf(stderr, "%s: usage:", argv[0]);
    for (const NumberFlag& flag : flags) std::fprintf(stderr, " [%s N]", std::string(flag.name).c_str());
    std::fprintf(stderr, "\n");
    std::exit(2);
  }
}

// The members .bench and .host.
inline nlohmann::ordered_json new_document(std::string_view bench) {
  utsname host{};
  ::uname(&host);
  return {{"bench", bench},
          {"host", {{"kernel", host.release}, {"arch", host.machine}, {"cpus", ::sysconf(_SC_NPROCESSORS_ONLN)}}}};
}

}  // namespace netpoll::bench
