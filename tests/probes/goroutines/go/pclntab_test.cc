// The pclntab against tables made by hand, whole and damaged.
#include "probes/goroutines/go/pclntab.h"

#include <elf.h>

#include <cstring>

#include "probes/goroutines/go/moduledata.h"
#include "probes/goroutines/go/unwinder.h"
#include "tests/support/catch.h"

namespace {

using namespace netpoll::probes;

constexpr std::uint64_t kText = 0x400000;

class Table {
 public:
  void u8(std::uint8_t v) { put(v); }
  void u32(std::uint32_t v) { put(v); }
  void u64(std::uint64_t v) { put(v); }
  void text(const char* t) { bytes_.insert(bytes_.end(), as_bytes(t), as_bytes(t) + std::strlen(t) + 1); }
  void align(std::size_t to) { bytes_.resize((bytes_.size() + to - 1) / to * to); }
  void set_u64(std::size_t at, std::uint64_t v) { std::memcpy(bytes_.data() + at, &v, 8); }
  std::size_t size() const { return bytes_.size(); }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  static const std::byte* as_bytes(const void* p) { return static_cast<const std::byte*>(p); }
  template <typename T>
  void put(T v) {
    bytes_.insert(bytes_.end(), as_bytes(&v), as_bytes(&v) + sizeof(v));
  }
  std::vector<std::byte> bytes_;
};

// Go 1.20's form. main.outer, 100 bytes of code, has a frame of 24 bytes from byte 4 on and main.inner inlined into
// bytes 40 to 60; main.leaf follows, 20 bytes without a frame.
struct Made {
  std::vector<std::byte> table;
  std::vector<std::byte> inline_tree;
};
Made make_table() {
  Table t;
  t.u32(0xfffffff1);
  t.u8(0);
  t.u8(0);
  t.u8(1);
  t.u8(8);
  for (int i = 0; i < 8; ++i) t.u64(0);
  t.set_u64(8, 2);   // functions
  t.set_u64(16, 1);  // files
  const std::size_t names = t.size();
  t.text("");
  const auto outer = static_cast<std::uint32_t>(t.size() - names);
  t.text("main.outer");
  const auto inner = static_cast<std::uint32_t>(t.size() - names);
  t.text("main.inner[go.shape.int]");
  const auto leaf = static_cast<std::uint32_t>(t.size() - names);
  t.text("main.leaf");
  t.align(8);
  const std::size_t units = t.size();
  t.u32(0);
  const std::size_t files = t.size();
  t.text("/src/main.go");
  const std::size_t values = t.size();
  t.u8(0);
  const auto table_at = [&](std::initializer_list<std::uint8_t> pairs) {
    const auto at = static_cast<std::uint32_t>(t.size() - values);
    for (const std::uint8_t b : pairs) t.u8(b);
    return at;
  };
  // Pairs of a zigzag difference, from -1 on, and a distance.
  const std::uint32_t frame = table_at({2, 4, 48, 96, 0});           // 0, then 24
  const std::uint32_t file = table_at({2, 100, 0});                  // 0
  const std::uint32_t line = table_at({22, 40, 20, 20, 19, 40, 0});  // 10, 20 within what is inlined, 10
  const std::uint32_t inlined = table_at({0, 40, 2, 20, 1, 40, 0});  // -1, 0, -1
  const std::uint32_t no_frame = table_at({2, 20, 0});
  t.align(8);
  const std::size_t functab = t.size();
  for (int i = 0; i < 5; ++i) t.u32(0);
  t.align(8);
  const auto record = [&](std::uint32_t entry, std::uint32_t name, std::uint32_t pcsp, bool with_tree) {
    const auto at = static_cast<std::uint32_t>(t.size() - functab);
    for (const std::uint32_t v : {entry, name, 0U, 0U, pcsp, file, line, with_tree ? 3U : 0U, 0U, 5U}) t.u32(v);
    t.u8(0);
    t.u8(with_tree ? 0 : 1);  // the leaf is where stacks begin
    t.u8(0);
    t.u8(with_tree ? 4 : 0);
    if (with_tree) {
      for (const std::uint32_t v : {0U, 0U, inlined, 0xffffffffU, 0xffffffffU, 0xffffffffU, 0U}) t.u32(v);
    }
    return at;
  };
  const std::uint32_t first = record(0, outer, frame, true);
  const std::uint32_t second = record(100, leaf, no_frame, false);
  t.set_u64(functab, std::uint64_t{first} << 32);
  t.set_u64(functab + 8, std::uint64_t{second} << 32 | 100);
  t.set_u64(functab + 16, 120);
  t.set_u64(32, names);
  t.set_u64(40, units);
  t.set_u64(48, files);
  t.set_u64(56, values);
  t.set_u64(64, functab);

  Table tree;
  tree.u32(0);      // function id
  tree.u32(inner);  // name
  tree.u32(30);     // the call stands at byte 30 of the outer
  tree.u32(5);
  return {.table = t.bytes(), .inline_tree = tree.bytes()};
}

std::optional<PclntabPlace> place_of(const std::vector<std::byte>& bytes) {
  const auto header = parse_pclntab_header(Bytes(bytes));
  if (!header) return std::nullopt;
  return PclntabPlace{.address = 0x500000, .bytes = Bytes(bytes), .header = *header};
}

// Asks everything of whatever the table is, and returns how much it said.
std::size_t interrogate(const Made& made) {
  const auto place = place_of(made.table);
  if (!place) return 0;
  auto table = Pclntab::open(*place, {kText, kText + 4096}, Bytes(made.inline_tree));
  if (!table) return 0;
  std::size_t said = 0;
  for (std::uint64_t pc = kText - 1; pc < kText + 130; ++pc) {
    const auto f = table->function_at(pc);
    if (!f) continue;
    said += table->name(*f).size() + table->lines(*f, pc).size() + (table->frame_size(*f, pc) ? 1 : 0);
    said += table->is_outermost(*f) + table->moves_stack(*f) + table->is_wrapper(*f);
  }
  const std::string_view leaf[] = {"main.leaf"};
  return said + (table->functions_named(leaf).front() ? 1 : 0);
}

}  // namespace

TEST_CASE("code addresses have a function, a line and a frame size") {
  const Made made = make_table();
  const auto place = place_of(made.table);
  REQUIRE(place);
  const auto table = Pclntab::open(*place, {kText, kText + 4096}, Bytes(made.inline_tree));
  REQUIRE(table);
  CHECK_FALSE(table->function_at(kText - 1));
  CHECK_FALSE(table->function_at(kText + 120));
  const auto outer = table->function_at(kText + 99);
  REQUIRE(outer);
  CHECK(table->name(*outer) == "main.outer");
  CHECK(table->frame_size(*outer, kText) == 0);
  CHECK(table->frame_size(*outer, kText + 4) == 24);
  const auto plain = table->lines(*outer, kText + 39);
  REQUIRE(plain.size() == 1);
  CHECK(plain[0].file == "/src/main.go");
  CHECK(plain[0].line == 10);
  CHECK_FALSE(plain[0].inlined);
}

TEST_CASE("functions are found by their names in one pass") {
  const Made made = make_table();
  const auto table = Pclntab::open(*place_of(made.table), {kText, kText + 4096}, Bytes(made.inline_tree));
  REQUIRE(table);
  // An inlined function has a name and no code of its own.
  const std::string_view names[] = {"main.leaf", "main.lea", "main.outer", "main.inner[go.shape.int]", ""};
  const auto found = table->functions_named(names);
  REQUIRE(found.size() == 5);
  REQUIRE(found[0]);
  CHECK(found[0]->entry == kText + 100);
  CHECK(found[0]->end == kText + 120);
  CHECK_FALSE(found[1]);
  REQUIRE(found[2]);
  CHECK(found[2]->entry == kText);
  CHECK_FALSE(found[3]);
  CHECK_FALSE(found[4]);
}

TEST_CASE("what is inlined has a line of its own, inside the function that holds it") {
  const Made made = make_table();
  const auto table = Pclntab::open(*place_of(made.table), {kText, kText + 4096}, Bytes(made.inline_tree));
  REQUIRE(table);
  const auto lines = table->lines(*table->function_at(kText + 50), kText + 50);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].function == "main.inner[go.shape.int]");
  CHECK(lines[0].line == 20);
  CHECK(lines[0].inlined);
  CHECK(lines[1].function == "main.outer");
  CHECK(lines[1].line == 10);
  CHECK(printed_name(lines[0].function) == "main.inner[...]");
  CHECK(printed_name("main.(*box[go.shape.struct { a [2]int }]).take") == "main.(*box[...]).take");
  CHECK(printed_name("main.x]y[") == "main.x]y[");
}

TEST_CASE("a pclntab that is cut off anywhere, or has any byte changed, does no harm") {
  const Made made = make_table();
  const std::size_t whole = interrogate(made);
  CHECK(whole > 1000);
  for (std::size_t size = 0; size < made.table.size(); ++size) {
    Made cut = made;
    cut.table.resize(size);
    cut.table.shrink_to_fit();
    (void)interrogate(cut);
  }
  for (std::size_t at = 0; at < made.table.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      Made changed = made;
      changed.table[at] = static_cast<std::byte>(value);
      (void)interrogate(changed);
    }
  }
  for (std::size_t at = 0; at < made.inline_tree.size(); ++at) {
    Made changed = made;
    changed.inline_tree[at] = std::byte{0xff};
    (void)interrogate(changed);
  }
  Made without = made;
  without.inline_tree.clear();
  CHECK(interrogate(without) < whole);
}

TEST_CASE("a table that was made to be slow is left after a while") {
  Made made = make_table();
  const auto place = place_of(made.table);
  // A million pairs that advance by nothing. The last table stands at the end of those of values.
  std::vector<std::byte> slow = made.table;
  const std::size_t record = place->header.functab + 24;
  const auto at = static_cast<std::uint32_t>(slow.size() - place->header.pc_values);
  std::memcpy(slow.data() + record + 16, &at, 4);
  for (int i = 0; i < 1'000'000; ++i) slow.insert(slow.end(), {std::byte{2}, std::byte{0}});
  const auto table = Pclntab::open(*place_of(slow), {kText, kText + 4096}, Bytes());
  REQUIRE(table);
  const auto f = table->function_at(kText);
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(table->frame_size(*f, kText + 50));
}

TEST_CASE("stacks are unwound as the machine keeps return addresses") {
  const Made made = make_table();
  const auto table = Pclntab::open(*place_of(made.table), {kText, kText + 4096}, Bytes(made.inline_tree));
  REQUIRE(table);
  const std::uint64_t sp = 0x10000;
  std::vector<std::uint64_t> words(16);
  const auto walk = [&](std::uint16_t machine, SavedRegisters registers) {
    const KnownFunctions none;
    Unwinder unwinder(*table, none, *go_arch(machine));
    StackBytes stack(sp, sp + 128, std::as_bytes(std::span(words)), nullptr);
    return unwinder.walk(registers, stack, 100);
  };

  words[3] = kText + 60;  // above the frame of 24 bytes
  words[7] = kText + 110;
  const CallChain x86 = walk(EM_X86_64, {.pc = kText + 50, .sp = sp, .lr = 0});
  CHECK(x86.ends_early.empty());
  REQUIRE(x86.places.size() == 3);
  CHECK(x86.places[1].pc == kText + 60);
  CHECK(x86.places[2].pc == kText + 110);

  words.assign(16, 0);
  words[0] = kText + 60;  // at the low end of each
  words[3] = kText + 110;
  const CallChain arm = walk(EM_AARCH64, {.pc = kText + 50, .sp = sp, .lr = 0});
  CHECK(arm.ends_early.empty());
  REQUIRE(arm.places.size() == 3);
  CHECK(arm.places[2].pc == kText + 110);
  // A goroutine that has not run yet: its function has no frame, and the return address is in the register.
  const CallChain fresh = walk(EM_AARCH64, {.pc = kText, .sp = sp, .lr = kText + 101});
  REQUIRE(fresh.places.size() == 2);
  CHECK_FALSE(fresh.places[0].call);
  CHECK(fresh.places[1].pc == kText + 101);

  words.assign(16, 0);
  const CallChain broken = walk(EM_X86_64, {.pc = kText + 50, .sp = sp, .lr = 0});
  CHECK(broken.places.size() == 1);
  CHECK_FALSE(broken.ends_early.empty());
  words.assign(16, kText + 60);
  CHECK_FALSE(walk(EM_X86_64, {.pc = kText + 50, .sp = sp, .lr = 0}).ends_early.empty());
  CHECK_FALSE(walk(EM_X86_64, {.pc = kText + 50, .sp = ~std::uint64_t{0} - 8, .lr = 0}).ends_early.empty());
}

TEST_CASE("a moduledata is one when it agrees with its pclntab") {
  const Made made = make_table();
  const auto place = *place_of(made.table);
  const PclntabHeader& h = place.header;
  std::vector<std::uint64_t> words(48);
  words[0] = place.address;
  for (const auto& [index, offset] :
       {std::pair{1, h.names}, {4, h.units}, {7, h.files}, {10, h.pc_values}, {16, h.functab}}) {
    words[static_cast<std::size_t>(index)] = place.address + offset;
  }
  words[17] = h.functions + 1;
  words[22] = kText;
  words[23] = kText + 4096;
  for (std::size_t i = 24; i < 32; ++i) words[i] = 0x600000;
  words[25] = 0x600100;
  words[37] = 0x700000;
  words[38] = 0x701000;
  words[40] = 0x702000;
  words[42] = 1;
  const auto parse = [&] { return parse_moduledata(Bytes(std::as_bytes(std::span(words))), place); };
  const auto old = parse();
  REQUIRE(old);
  CHECK(old->types.end == 0x701000);
  CHECK(old->gofunc == 0x702000);
  CHECK(old->holds_data(0x6000ff));
  CHECK_FALSE(old->holds_data(0x600100));
  // Go 1.26: gofunc lies in the pclntab, whose end follows.
  const auto before = words;
  words[40] = place.address + 100;
  words[41] = place.address + 200;
  words[42] = 0x400000;
  words[43] = 1;
  CHECK(parse()->gofunc == place.address + 100);
  // Go 1.27: the length of descriptors stands between types and their end.
  words = before;
  words[38] = 0x100;
  words[39] = 0x703000;
  words[42] = 0;
  words[43] = place.address + 100;
  words[44] = place.address + 200;
  words[46] = 1;
  CHECK(parse()->types.end == 0x703000);
  for (const std::size_t index : {0, 1, 4, 16, 17, 22, 24}) {
    words = before;
    words[index] = 0xffffffffffffffff;
    CHECK_FALSE(parse());
  }
  words = before;
  words[42] = 2;  // two text sections
  CHECK_FALSE(parse());
  words.resize(40);
  CHECK_FALSE(parse());
}
