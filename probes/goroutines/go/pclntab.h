// Pclntab: Go's table from code addresses to functions, lines and frame sizes, which a program carries even stripped.
//
// Layouts: Go's runtime/symtab.go (pcHeader, _func, pcvalue, funcline1) and runtime/symtabinl.go (inlinedCall) of
// versions 1.18 to 1.27; the linker writes them in cmd/link/internal/ld/pcln.go.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/go/image.h"
#include "probes/process/bytes.h"

namespace netpoll::probes {

struct PclntabHeader {
  bool before_1_20 = false;  // two formats of records
  std::uint8_t quantum = 1;  // of code addresses
  std::uint64_t functions = 0;
  // Offsets of the tables behind it.
  std::uint64_t names = 0;
  std::uint64_t units = 0;
  std::uint64_t files = 0;
  std::uint64_t pc_values = 0;
  std::uint64_t functab = 0;
};

// Nothing unless the bytes begin with a header whose offsets fit them.
std::optional<PclntabHeader> parse_pclntab_header(Bytes bytes);

struct PclntabPlace {
  std::uint64_t address = 0;
  Bytes bytes;  // to the end of its section or segment; it may end before
  PclntabHeader header;
};

// Null: the image has none, so that it is no Go program. kNotSupported: of a Go before 1.18, or damaged.
Result<std::optional<PclntabPlace>> find_pclntab(const Image& image);

// A function of the program.
struct GoFunction {
  std::uint64_t entry = 0;
  std::uint64_t end = 0;
  std::uint64_t record = 0;  // offset of its _func
};

// One line of a traceback: a function, or a call that was inlined into the next.
struct GoLine {
  std::string_view function;  // as the linker spells it; points into the table, as file does
  std::string_view file;
  int line = 0;  // 0: unknown
  bool inlined = false;
  bool wrapper = false;
};

// Immutable but for its budget: a table that was made to be slow must not hang us, so the pairs of pc-value tables that
// may be decoded until the next refill() are counted, and further look-ups find nothing. One thread at a time.
class Pclntab {
 public:
  // text: where the program's code begins; functab_end: how many bytes of code there are; inline_trees: what lies at
  // moduledata's gofunc. kNotSupported when the table of functions is damaged.
  static Result<Pclntab> open(const PclntabPlace& place, const AddressRange& text, Bytes inline_trees);

  std::optional<GoFunction> function_at(std::uint64_t pc) const;
  // In one pass over the table; nothing for those that the program does not have.
  std::vector<std::optional<GoFunction>> functions_named(std::span<const std::string_view> names) const;
  std::string_view name(const GoFunction& function) const;
  bool is_wrapper(const GoFunction& function) const;
  bool is_outermost(const GoFunction& function) const;  // a stack begins with it
  bool moves_stack(const GoFunction& function) const;   // so that frame_size does not hold for a caller

  // How far the stack pointer is below the place of the return address, with the code at pc about to run.
  std::optional<std::int32_t> frame_size(const GoFunction& function, std::uint64_t pc) const;
  // The source line of the code at pc, with what is inlined there, innermost first. At least one line.
  std::vector<GoLine> lines(const GoFunction& function, std::uint64_t pc) const;

  void refill() { budget_ = kBudget; }

 private:
  static constexpr std::uint64_t kBudget = 50'000'000;

  Pclntab(const PclntabPlace& place, const AddressRange& text, Bytes inline_trees)
      : header_(place.header), bytes_(place.bytes), text_(text), inline_trees_(inline_trees) {}

  std::optional<GoFunction> function_of_index(std::uint64_t index) const;
  std::uint8_t function_id(const GoFunction& function) const;
  std::uint8_t function_flags(const GoFunction& function) const;
  void find_wrapper_id();
  std::optional<std::int32_t> value(std::uint32_t table, const GoFunction& function, std::uint64_t pc) const;
  std::optional<std::int32_t> field_value(const GoFunction& function, unsigned field, std::uint64_t pc) const;
  std::optional<std::int32_t> inline_index(const GoFunction& function, std::uint64_t pc) const;
  Bytes inline_tree(const GoFunction& function) const;
  std::string_view name_at(std::uint64_t offset) const;
  std::string_view file_of(const GoFunction& function, std::int32_t number) const;
  GoLine line_at(const GoFunction& function, std::uint64_t pc) const;

  PclntabHeader header_;
  Bytes bytes_;
  AddressRange text_;
  Bytes inline_trees_;
  std::uint8_t wrapper_id_ = 0;
  mutable std::uint64_t budget_ = kBudget;
};

// The name as Go prints it: what stands in the brackets of a generic one is left out ("main.(*box[...]).take").
std::string printed_name(std::string_view name);

}  // namespace netpoll::probes
