// The section that leads to libruntime in images of Mach-O: in those that this writes by <mach-o/loader.h>, damaged
// ones among them, and in programs that were linked for macOS.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "probes/goroutines/libruntime/debug_root.h"
#include "tests/probes/goroutines/go/scripted_subject.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

using netpoll::test::ScriptedMemory;
using namespace netpoll::probes;

namespace {

constexpr std::uint64_t kLinkedAt = 0x100000000;
constexpr std::uint64_t kSlide = 0x4a3c000;
constexpr std::uint64_t kDataAt = 0x8000;  // from the header
constexpr std::uint64_t kRoot = 0x7000dead0000;

// Load commands behind a header, as ld lays them out.
class Image {
 public:
  Image() { bytes_.resize(32); }

  void add_command(std::uint32_t command, std::uint32_t size) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + size);
    put(at, command);
    put(at + 4, size);
    ++commands_;
  }
  // With its sections, each a name and an address, of eight bytes.
  void add_segment(const std::string& name, std::uint64_t address,
                   const std::vector<std::pair<std::string, std::uint64_t>>& sections) {
    const std::size_t at = bytes_.size();
    add_command(0x19, static_cast<std::uint32_t>(72 + 80 * sections.size()));  // LC_SEGMENT_64
    put_text(at + 8, name);
    put(at + 24, address);
    put(at + 64, static_cast<std::uint32_t>(sections.size()));
    for (std::size_t i = 0; i < sections.size(); ++i) {
      const std::size_t section = at + 72 + 80 * i;
      put_text(section, sections[i].first);
      put_text(section + 16, name);
      put(section + 32, sections[i].second);
      put(section + 40, std::uint64_t{8});
    }
  }
  // With its header.
  std::vector<std::byte> finish() {
    put(0, std::uint32_t{0xfeedfacf});  // MH_MAGIC_64
    put(16, commands_);
    put(20, static_cast<std::uint32_t>(bytes_.size() - 32));
    return bytes_;
  }
  template <typename T>
  void put(std::size_t at, T value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }

 private:
  void put_text(std::size_t at, const std::string& text) { std::memcpy(bytes_.data() + at, text.data(), text.size()); }

  std::vector<std::byte> bytes_;
  std::uint32_t commands_ = 0;
};

Image program() {
  Image image;
  image.add_segment("__PAGEZERO", 0, {});
  image.add_segment("__TEXT", kLinkedAt, {{"__text", kLinkedAt + 0x1000}});
  image.add_command(0x80000028, 24);  // LC_MAIN
  image.add_segment("__DATA", kLinkedAt + kDataAt,
                    {{"__data", kLinkedAt + kDataAt}, {"__netpoll", kLinkedAt + kDataAt + 0x10}});
  return image;
}

// Of an image that the loader put where it liked, and whose pointer it moved along.
std::uint64_t root_of(const std::vector<std::byte>& image) {
  ScriptedMemory memory;
  memory.put(kLinkedAt + kSlide, image);
  memory.put_words(kLinkedAt + kSlide + kDataAt + 0x10, {kRoot});
  const auto root = debug_root_of_image(memory, {.start = kLinkedAt + kSlide, .end = kLinkedAt + kSlide + 0x4000});
  REQUIRE(root);
  return *root;
}

}  // namespace

TEST_CASE("the root of a Mach-O image is found wherever it was loaded") { CHECK(root_of(program().finish()) == kRoot); }

TEST_CASE("an image of Mach-O without the section holds no root") {
  Image image;
  image.add_segment("__TEXT", kLinkedAt, {});
  image.add_segment("__DATA", kLinkedAt + kDataAt, {{"__netpoll2", kLinkedAt + kDataAt + 0x10}});
  CHECK(root_of(image.finish()) == 0);
  CHECK(root_of({}) == 0);
  Image lost;  // nothing says where the header was linked to
  lost.add_segment("__DATA", kLinkedAt + kDataAt, {{"__netpoll", kLinkedAt + kDataAt + 0x10}});
  CHECK(root_of(lost.finish()) == 0);
}

TEST_CASE("an image of Mach-O that is cut holds no root, and one that lies is read within its bounds") {
  const std::vector<std::byte> whole = program().finish();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK(root_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}) == 0);
  }
  for (std::size_t word = 0; word < whole.size() / 4; ++word) {
    for (const std::uint32_t lie : {0U, 1U, 7U, 0x100000U, 0xfffffffdU}) {
      std::vector<std::byte> bent = whole;
      std::memcpy(bent.data() + 4 * word, &lie, sizeof lie);
      (void)root_of(bent);
    }
  }
}

TEST_CASE("the section is in programs that are linked for macOS, and leads to their root") {
#ifndef NETPOLL_MACHO_PROGRAMS
  NETPOLL_SKIP("there is no Zig to link them (build/ziglang)");
#else
  for (const std::string name : {NETPOLL_MACHO_PROGRAMS}) {
    INFO(name);
    std::ifstream file(name, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    REQUIRE(text.size() > 32);
    const auto number = [&](std::size_t at, std::size_t size) {
      std::uint64_t value = 0;
      std::memcpy(&value, text.data() + at, size);
      return value;
    };
    // As the kernel maps its segments, where it was linked to. Addresses in the file are then right as they are.
    ScriptedMemory memory;
    std::uint64_t header = 0;
    for (std::uint64_t at = 32, i = 0; i < number(16, 4); at += number(at + 4, 4), ++i) {
      if (number(at, 4) != 0x19) continue;
      const std::uint64_t address = number(at + 24, 8);
      const std::uint64_t offset = number(at + 40, 8);
      const std::uint64_t size = number(at + 48, 8);
      if (size == 0) continue;
      memory.put_text(address, text.substr(offset, size));
      if (offset == 0) header = address;
    }
    REQUIRE(header != 0);
    const auto root = debug_root_of_image(memory, {.start = header, .end = header + 0x4000});
    REQUIRE(root);
    REQUIRE(*root != 0);
    std::string magic(16, ' ');
    REQUIRE(memory.read(*root, magic.data(), magic.size()));
    CHECK(magic == std::string("netpoll-debug-1\0", 16));
  }
#endif
}
