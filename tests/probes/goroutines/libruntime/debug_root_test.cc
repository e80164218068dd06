// The note that leads to libruntime, among damaged and foreign ones.
#include "probes/goroutines/libruntime/debug_root.h"

#include <elf.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "tests/support/catch.h"

using namespace netpoll::probes;

namespace {

// Notes as a linker lays them out, padded to `align`.
class Notes {
 public:
  explicit Notes(std::size_t align) : align_(align) {}

  // Returns where the descriptor begins.
  std::size_t add(std::string_view name, std::uint32_t type, const std::vector<std::uint8_t>& desc) {
    const Elf64_Nhdr header{static_cast<Elf64_Word>(name.size()), static_cast<Elf64_Word>(desc.size()), type};
    append(&header, sizeof(header));
    append(name.data(), name.size());
    pad();
    const std::size_t at = bytes_.size();
    append(desc.data(), desc.size());
    pad();
    return at;
  }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  void append(const void* data, std::size_t size) {
    const auto* first = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
  }
  void pad() { bytes_.resize((bytes_.size() + align_ - 1) / align_ * align_); }

  std::size_t align_;
  std::vector<std::byte> bytes_;
};

constexpr std::string_view kName{"netpoll\0", 8};

std::vector<std::uint8_t> distance(std::int64_t value) {
  std::vector<std::uint8_t> bytes(sizeof(value));
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

}  // namespace

TEST_CASE("the root is found behind notes of other kinds") {
  for (const std::size_t align : {std::size_t{4}, std::size_t{8}}) {
    Notes notes(align);
    notes.add({"GNU\0", 4}, 3, {1, 2, 3, 4, 5});
    notes.add(kName, 7, distance(99));             // ours, but another type
    notes.add({"netpool\0", 8}, 1, distance(99));  // another name
    notes.add(kName, 1, {1, 2});                   // too short to be it
    const std::size_t at = notes.add(kName, 1, distance(-4096));
    CHECK(debug_root_in_notes(notes.bytes(), 0x400000, align) == 0x400000 + at - 4096);
  }
}

TEST_CASE("notes without ours hold no root") {
  Notes notes(4);
  notes.add({"GNU\0", 4}, 1, {0, 0, 0, 0});
  CHECK(debug_root_in_notes(notes.bytes(), 0x400000, 4) == 0);
  CHECK(debug_root_in_notes({}, 0x400000, 4) == 0);
}

TEST_CASE("notes that are cut or lie about their sizes hold no root") {
  Notes notes(4);
  notes.add({"GNU\0", 4}, 1, {0, 0, 0, 0});
  notes.add(kName, 1, distance(64));
  for (std::size_t size = 0; size < notes.bytes().size(); ++size) {
    // A copy of exactly this size, so that a sanitizer sees every step beyond it.
    const std::vector<std::byte> cut(notes.bytes().begin(), notes.bytes().begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(debug_root_in_notes(cut, 0x400000, 4) == 0);
  }
  for (std::size_t word = 0; word < notes.bytes().size() / 4; ++word) {
    std::vector<std::byte> bent = notes.bytes();
    const std::uint32_t huge = 0xfffffffd;
    std::memcpy(bent.data() + 4 * word, &huge, sizeof(huge));
    (void)debug_root_in_notes(bent, 0x400000, 4);
  }
}
