// Type descriptors, labels, pollDescs and machine code made by hand, right and hostile.
#include <elf.h>
#include <algorithm>

#include <cstring>

#include "probes/goroutines/go/arch.h"
#include "probes/goroutines/go/build_info.h"
#include "probes/goroutines/go/go_g.h"
#include "probes/goroutines/go/labels.h"
#include "probes/goroutines/go/poll_descs.h"
#include "probes/goroutines/go/type_metadata.h"
#include "tests/probes/goroutines/go/scripted_subject.h"
#include "tests/support/catch.h"

namespace {

using namespace netpoll::probes;
using netpoll::test::ScriptedMemory;

std::vector<std::byte> types_with(const std::string& name, std::uint8_t flags, std::uint8_t kind) {
  std::vector<std::byte> types(256);
  types[16 + 20] = std::byte{flags};
  types[16 + 23] = std::byte{kind};
  const std::uint32_t at = 128;
  std::memcpy(types.data() + 16 + 40, &at, 4);
  types[at + 1] = static_cast<std::byte>(name.size());
  std::memcpy(types.data() + at + 2, name.data(), name.size());
  return types;
}

}  // namespace

TEST_CASE("a type's descriptor is found by its name") {
  const auto find = [](const std::vector<std::byte>& types) {
    const GoTypeName wanted[] = {
        {.name = "runtime.m"}, {.name = "runtime.g"}, {.name = "runtime.g", .kind = GoKind::kMap}};
    const auto found = find_descriptors(Bytes(types), wanted);
    CHECK_FALSE(found[0]);
    CHECK_FALSE(found[2]);
    return found[1];
  };
  CHECK(find(types_with("runtime.g", 0, 25)) == 16);
  CHECK(find(types_with("*runtime.g", 2, 25)) == 16);
  CHECK(find(types_with("runtime.g", 0, 0x20 | 25)) == 16);
  // A pointer to it, another type with a star, another name.
  CHECK_FALSE(find(types_with("*runtime.g", 0, 22)));
  CHECK_FALSE(find(types_with("*runtime.g", 0, 25)));
  CHECK_FALSE(find(types_with("runtime.gx", 0, 25)));
  CHECK_FALSE(find({}));
  CHECK_FALSE(find(std::vector<std::byte>(7)));
  // Its name is cut off, or lies outside.
  auto cut = types_with("runtime.g", 0, 25);
  cut.resize(128 + 10);
  CHECK_FALSE(find(cut));
  auto outside = types_with("runtime.g", 0, 25);
  std::memset(outside.data() + 16 + 40, 0xff, 4);
  CHECK_FALSE(find(outside));
}

TEST_CASE("fields of a struct have ascending offsets within it") {
  const auto fields = [](const std::vector<std::uint64_t>& words, std::uint64_t size) {
    std::vector<std::uint64_t> names;
    return parse_fields(Bytes(std::as_bytes(std::span(words))), size, names);
  };
  const auto plain = fields({0, 0, 0, 0, 0, 8, 0, 0, 16}, 24);
  REQUIRE(plain);
  CHECK(plain->at(2).offset == 16);
  const auto of_1_18 = fields({0, 0, 0, 0, 0, 16, 0, 0, 33}, 24);
  REQUIRE(of_1_18);
  CHECK(of_1_18->at(2).offset == 16);
  CHECK_FALSE(fields({0, 0, 8, 0, 0, 0}, 24));
  CHECK_FALSE(fields({0, 0, ~std::uint64_t{0}}, 24));
}

TEST_CASE("names that say they are longer than they can be are none") {
  const auto name = [](std::string text) {
    return parse_go_name(Bytes(std::as_bytes(std::span(text.data(), text.size()))));
  };
  CHECK(name(std::string("\0\4goid", 6)) == "goid");
  CHECK_FALSE(name(std::string("\0\5goid", 6)));
  CHECK_FALSE(name(std::string("\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12)));
  CHECK_FALSE(name(""));
}

TEST_CASE("labels are read from slices and from maps") {
  ScriptedMemory memory;
  memory.put_text(0x9000, "userada");
  memory.put_words(0x1000, {0x2000, 1, 4});
  memory.put_words(0x2000, {0x9000, 4, 0x9004, 3});
  const auto slices = read_labels(memory, LabelForm::kSlice, std::vector<std::uint64_t>{0x1000});
  REQUIRE(slices);
  CHECK(slices->at(0x1000) == LabelSet{{"user", "ada"}});

  memory.put_words(0x3000, {0x4000});
  memory.put_words(0x4000, {1, 0, 0x5000, 0});
  std::vector<std::uint64_t> bucket(34);
  bucket[0] = 0x05;  // tophash of slot 0
  bucket[1] = 0x9000;
  bucket[2] = 4;
  bucket[17] = 0x9004;
  bucket[18] = 3;
  memory.put_words(0x5000, bucket);
  const auto maps = read_labels(memory, LabelForm::kMap, std::vector<std::uint64_t>{0x3000});
  REQUIRE(maps);
  CHECK(maps->at(0x3000) == LabelSet{{"user", "ada"}});
}

TEST_CASE("labels that lie about their size are left out or cut") {
  ScriptedMemory memory;
  memory.put_text(0x9000, std::string(8192, 'x'));
  memory.put_words(0x1000, {0x2000, ~std::uint64_t{0}, ~std::uint64_t{0}});
  memory.put_words(0x1100, {0x2000, 5, 4});
  memory.put_words(0x1200, {0xdead0000, 1, 1});
  memory.put_words(0x1300, {0x2000, 1, 1});
  memory.put_words(0x2000, {0x9000, ~std::uint64_t{0}, 0x9000, 1});
  memory.put_words(0x1400, {0x2100, 1, 1});
  memory.put_words(0x2100, {0xdead0000, 8, 0x9000, 1});
  const auto sets = read_labels(memory, LabelForm::kSlice,
                                std::vector<std::uint64_t>{0x1000, 0x1100, 0x1200, 0x1300, 0x1400, 0xdead0000});
  REQUIRE(sets);
  REQUIRE(sets->size() == 1);
  CHECK(sets->at(0x1300).at(0).first == std::string(4096, 'x'));

  // A map that claims a thousand labels in a bucket that hangs on itself.
  memory.put_words(0x3000, {0x4000});
  memory.put_words(0x4000, {1000, 0, 0x5000, 0});
  std::vector<std::uint64_t> bucket(34, 0x9000);
  bucket[0] = 0;
  bucket[33] = 0x5000;
  memory.put_words(0x5000, bucket);
  memory.put_words(0x3100, {0x4100});
  memory.put_words(0x4100, {1, 0xff00, 0x5000, 0});  // 2^255 buckets
  const auto maps = read_labels(memory, LabelForm::kMap, std::vector<std::uint64_t>{0x3000, 0x3100, 0x3200});
  REQUIRE(maps);
  CHECK(maps->empty());
}

TEST_CASE("labels that are too many in all are left out and counted") {
  constexpr std::uint64_t kFit = (std::uint64_t{64} << 20) / (2 * 4096);
  ScriptedMemory memory;
  memory.put_text(0x9000, std::string(4096, 'x'));
  memory.put_words(0x2000, {0x9000, 4096, 0x9000, 4096});
  std::vector<std::uint64_t> pointers;
  for (std::uint64_t i = 0; i < kFit + 3; ++i) {
    pointers.push_back(0x100000 + 0x20 * i);
    memory.put_words(pointers.back(), {0x2000, 1, 1});
  }
  std::uint64_t left_out = 7;
  const auto sets = read_labels(memory, LabelForm::kSlice, pointers, &left_out);
  REQUIRE(sets);
  CHECK(sets->size() == kFit);
  CHECK(left_out == 3);
  CHECK(
      std::all_of(sets->begin(), sets->end(), [](const auto& set) { return set.second.at(0).second.size() == 4096; }));

  pointers.resize(kFit);
  REQUIRE(read_labels(memory, LabelForm::kSlice, pointers, &left_out));
  CHECK(left_out == 0);
}

TEST_CASE("a pollDesc is one that points to itself") {
  const PollDescLayout layout{.fd = 8, .rg = 32, .wg = 40, .rd = 48, .wd = 56, .self = 64, .bytes = 72};
  std::vector<std::uint64_t> words = {0, 7, 0, 0, 0xc000000001, 0, 0, 0, 0x1000};
  const auto parse = [&] { return parse_poll_desc(0x1000, Bytes(std::as_bytes(std::span(words))), layout); };
  REQUIRE(parse());
  CHECK(parse()->fd == 7);
  words[1] = 1ULL << 40;
  CHECK_FALSE(parse());
  words[1] = 7;
  words[8] = 0x1008;
  CHECK_FALSE(parse());
  words.pop_back();
  CHECK_FALSE(parse());
}

TEST_CASE("a g has a status that there is, and a stack that ends after it begins") {
  GLayout layout;
  layout.stack_hi = 8;
  layout.status = 16;
  layout.goid = 24;
  for (std::uint64_t* unused :
       {&layout.m, &layout.sched_sp, &layout.sched_pc, &layout.sched_lr, &layout.syscall_sp, &layout.syscall_pc,
        &layout.wait_since, &layout.wait_reason, &layout.go_pc, &layout.start_pc, &layout.locked_m, &layout.labels}) {
    *unused = 32;
  }
  layout.bytes = 40;
  std::vector<std::uint64_t> words = {0x1000, 0x2000, 4 | 0x1000, 7, 0};
  const auto parse = [&] { return parse_g(0xc000, Bytes(std::as_bytes(std::span(words))), layout); };
  REQUIRE(parse());
  CHECK(parse()->status == GoStatus::kWaiting);
  words[2] = 12;
  CHECK_FALSE(parse());
  words[2] = 4;
  words[1] = 0x1000;
  CHECK_FALSE(parse());
  words[1] = 0x2000;
  words[3] = ~std::uint64_t{0};
  CHECK_FALSE(parse());
}

TEST_CASE("code refers to data by its own place") {
  // mov rax, [rip+0x10]; add qword [rip-8], 1
  const std::array<std::uint8_t, 15> x86 = {0x48, 0x8b, 0x05, 0x10, 0,    0,    0, 0x48,
                                            0x83, 0x05, 0xf8, 0xff, 0xff, 0xff, 1};
  CHECK(go_arch(EM_X86_64)->references(Bytes(std::as_bytes(std::span(x86))), 0x1000) ==
        std::vector<std::uint64_t>{0x1017, 0x1007});
  // adrp x27, two pages on; add x27, x27, #0x88; adrp x0, a page back; ldr x1, [x0, #16]
  const std::array<std::uint32_t, 4> arm = {0xd000001b, 0x9102237b, 0xf0ffffe0, 0xf9400801};
  CHECK(go_arch(EM_AARCH64)->references(Bytes(std::as_bytes(std::span(arm))), 0x10000) ==
        std::vector<std::uint64_t>{0x12088, 0xf010});
  CHECK(go_arch(EM_386) == nullptr);
}

TEST_CASE("the minor version is in every form of a Go version") {
  CHECK(go_minor("go1.22.5") == 22);
  CHECK(go_minor("go1.26.4-1-microsoft") == 26);
  CHECK(go_minor("go1.21rc2") == 21);
  CHECK(go_minor("go1.20 X:nocoverageredesign") == 20);
  CHECK_FALSE(go_minor("devel go1.23-abcdef"));
  CHECK_FALSE(go_minor("go1."));
  CHECK_FALSE(go_minor(""));
}
