// FreeBSD's list of mappings, record by record as its kernel packs them (sys/kern/kern_proc.c, kern_proc_vmmap_out).
#include "probes/process/vm_entries.h"

#include <cstring>
#include <string>

#include "tests/support/catch.h"

using namespace netpoll::probes;

namespace {

class Records {
 public:
  struct Entry {
    std::int32_t type = 2;
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t offset = 0;
    std::uint64_t inode = 0;
    std::string path = "";
  };

  // As long as its path makes it, rounded up to a multiple of 8, which the record says.
  void add(const Entry& entry) {
    const std::size_t at = bytes_.size();
    const std::size_t size = (136 + entry.path.size() + 1 + 7) / 8 * 8;
    bytes_.resize(at + size);
    const auto length = static_cast<std::int32_t>(size);
    put(at, length);
    put(at + 4, entry.type);
    put(at + 8, entry.start);
    put(at + 16, entry.end);
    put(at + 24, entry.offset);
    put(at + 32, entry.inode);
    std::memcpy(bytes_.data() + at + 136, entry.path.data(), entry.path.size());
  }
  template <typename T>
  void put(std::size_t at, T value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace

TEST_CASE("FreeBSD's mappings of files are found among others") {
  Records records;
  records.add({.start = 0x200000, .end = 0x210000, .offset = 0, .inode = 4711, .path = "/usr/local/bin/server"});
  records.add({.start = 0x210000, .end = 0x290000, .offset = 0xf000, .inode = 4711, .path = "/usr/local/bin/server"});
  records.add({.type = 3, .start = 0x290000, .end = 0x2a0000});                  // swap
  records.add({.type = 9, .start = 0x7fffdffff000, .end = 0x7ffffffdf000});      // guard
  records.add({.start = 0x828000000, .end = 0x828000000, .path = "/lib/none"});  // nothing
  records.add({.start = 0x828000000, .end = 0x828100000, .offset = 0, .inode = 7, .path = "/lib/libc.so.7"});
  records.bytes().resize(records.bytes().size() + 200);  // room that the kernel did not need
  const auto mappings = parse_vm_entries(records.bytes());
  REQUIRE(mappings.size() == 3);
  CHECK(mappings[0].start == 0x200000);
  CHECK(mappings[0].end == 0x210000);
  CHECK(mappings[0].file_offset == 0);
  CHECK(mappings[0].inode == 4711);
  CHECK(mappings[0].path == "/usr/local/bin/server");
  CHECK(mappings[1].file_offset == 0xf000);
  CHECK(mappings[2].path == "/lib/libc.so.7");
  CHECK(find_mapping(mappings, 0x8280fffff)->inode == 7);
}

TEST_CASE("FreeBSD's list ends where it is cut, or where a record lies about its size") {
  Records records;
  records.add({.start = 0x1000, .end = 0x2000, .inode = 1, .path = "/a"});
  const std::size_t first = records.bytes().size();
  records.add({.start = 0x3000, .end = 0x4000, .inode = 2, .path = "/b"});
  for (std::size_t size = 0; size < records.bytes().size(); ++size) {
    // A copy of exactly this size, so that a sanitizer sees every step beyond it.
    const std::vector<std::byte> cut(records.bytes().begin(),
                                     records.bytes().begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(parse_vm_entries(cut).size() == (size < first ? 0 : 1));
  }
  for (const std::int32_t size : {-1, 0, 1, 135, 1 << 30, INT32_MIN}) {
    records.put(first, size);
    CHECK(parse_vm_entries(records.bytes()).size() == 1);
  }
}

TEST_CASE("a path that FreeBSD cut off without its end is none") {
  Records records;
  records.add({.start = 0x1000, .end = 0x2000, .inode = 1, .path = std::string(15, 'x')});
  std::memset(records.bytes().data() + 136, 'x', records.bytes().size() - 136);
  const auto mappings = parse_vm_entries(records.bytes());
  REQUIRE(mappings.size() == 1);
  CHECK(mappings[0].path.empty());
}
