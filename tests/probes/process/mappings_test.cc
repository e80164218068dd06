// The list of mappings of a process.
#include "probes/process/mappings.h"

#include <unistd.h>

#include <sstream>

#include "tests/support/catch.h"

using namespace netpoll::probes;

TEST_CASE("file mappings are read with their paths, blanks and all") {
  std::istringstream maps(
      "55d0c8a00000-55d0c8a21000 r--p 00000000 fe:00 131842                     /usr/bin/a server (deleted)\n"
      "55d0c8a21000-55d0c8b00000 r-xp 00021000 fe:00 131842                     /usr/bin/a server (deleted)\n"
      "55d0c9000000-55d0c9021000 rw-p 00000000 00:00 0                          [heap]\n"
      "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n"
      "7f0000002000-7f0000004000 r--p 00003000 fe:00 77                         /lib/x.so\n"
      "nonsense\n"
      "\n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");
  const auto mappings = parse_mappings(maps);
  REQUIRE(mappings.size() == 3);
  CHECK(mappings[0].start == 0x55d0c8a00000);
  CHECK(mappings[0].end == 0x55d0c8a21000);
  CHECK(mappings[0].path == "/usr/bin/a server (deleted)");
  CHECK(mappings[1].file_offset == 0x21000);
  CHECK(mappings[2].inode == 77);
  CHECK(find_mapping(mappings, 0x55d0c8a21000) == &mappings[1]);
  CHECK(find_mapping(mappings, 0x55d0c8b00000) == nullptr);
}

TEST_CASE("our own program is among our mappings") {
  static const int here = 1;
  auto mappings = read_mappings(getpid());
  REQUIRE(mappings);
  const Mapping* m = find_mapping(*mappings, reinterpret_cast<std::uint64_t>(&here));
  REQUIRE(m != nullptr);
  CHECK(m->path.find("probes_process_test") != std::string::npos);
}
