// Asks libdwfl (elfutils) for call frame information, symbols, lines and inlined calls.
#include "libruntime/symbols/code_map.h"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

namespace netpoll::symbols {
namespace {

// What a chain of inlined calls may claim; real ones stay far below.
constexpr int kMaxInlined = 256;

std::string demangle(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                         &std::free);
  std::string result = status == 0 ? std::string(text.get()) : std::string(name);
  // A part that the compiler moved elsewhere is still the function: "serve(int) [clone .cold]".
  if (const auto clone = result.find(" [clone "); clone != std::string::npos) result.resize(clone);
  return result;
}

bool is_register(std::uint64_t number) { return number < kRegisters; }

// A CFA of the form "register + offset", which is what compilers write; others are for code like the PLT.
bool read_cfa(Dwarf_Frame* frame, CfiRow& row) {
  Dwarf_Op* ops = nullptr;
  std::size_t count = 0;
  if (dwarf_frame_cfa(frame, &ops, &count) != 0 || count != 1) return false;
  const Dwarf_Op& op = ops[0];
  if (op.atom == DW_OP_bregx && is_register(op.number)) {
    row.cfa_register = static_cast<int>(op.number);
    row.cfa_offset = static_cast<std::int64_t>(op.number2);
    return true;
  }
  if (op.atom >= DW_OP_breg0 && op.atom <= DW_OP_breg31) {
    row.cfa_register = op.atom - DW_OP_breg0;
    row.cfa_offset = static_cast<std::int64_t>(op.number);
    return true;
  }
  return false;
}

CfiRow::Rule read_rule(Dwarf_Frame* frame, int number) {
  using Where = CfiRow::Where;
  Dwarf_Op memory[3];
  Dwarf_Op* ops = nullptr;
  std::size_t count = 0;
  // libdw.h, dwarf_frame_register: no operations and our own memory mean "undefined", no memory means "same value".
  if (dwarf_frame_register(frame, number, memory, &ops, &count) != 0) return {.where = Where::kUndefined};
  if (count == 0) return {.where = ops == nullptr ? Where::kSame : Where::kUndefined};
  if (ops[0].atom != DW_OP_call_frame_cfa) return {.where = Where::kUndefined};
  std::int64_t offset = 0;
  std::size_t next = 1;
  if (next < count && ops[next].atom == DW_OP_plus_uconst) offset = static_cast<std::int64_t>(ops[next++].number);
  if (next == count) return {.where = Where::kAtCfa, .offset = offset};
  if (next + 1 == count && ops[next].atom == DW_OP_stack_value) return {.where = Where::kIsCfa, .offset = offset};
  return {.where = Where::kUndefined};
}

std::optional<CfiRow> read_row(Dwarf_CFI* cfi, Dwarf_Addr bias, std::uint64_t address) {
  if (cfi == nullptr) return std::nullopt;
  Dwarf_Frame* raw = nullptr;
  if (dwarf_cfi_addrframe(cfi, address - bias, &raw) != 0) return std::nullopt;
  const std::unique_ptr<Dwarf_Frame, decltype(&std::free)> frame(raw, &std::free);
  CfiRow row;
  Dwarf_Addr start = 0;
  bool signal = false;
  row.return_register = dwarf_frame_info(frame.get(), &start, nullptr, &signal);
  row.start = start + bias;
  if (row.return_register < 0 || !is_register(static_cast<std::uint64_t>(row.return_register))) return std::nullopt;
  if (!read_cfa(frame.get(), row)) {
    // The outermost function says that nobody called it, and perhaps no more.
    if (read_rule(frame.get(), row.return_register).where != CfiRow::Where::kUndefined) return std::nullopt;
  }
  for (std::size_t i = 0; i < kRegisters; ++i) row.rules[i] = read_rule(frame.get(), static_cast<int>(i));
  return row;
}

// As the linker knows it, made readable; empty for what the linker does not know.
std::string linkage_name(Dwarf_Die* die) {
  Dwarf_Attribute attribute;
  for (const unsigned int which : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}) {
    if (dwarf_attr_integrate(die, which, &attribute) == nullptr) continue;
    if (const char* name = dwarf_formstring(&attribute); name != nullptr) return demangle(name);
  }
  return {};
}

// The DIE and what contains it, innermost first; the unit last. dwarf_getscopes_die(3) tells the same, but walks over
// every DIE before it, which for a unit of C++ takes milliseconds.
class Parents {
 public:
  explicit Parents(Dwarf_Die* die) {
    Dwarf_Die at;
    if (dwarf_diecu(die, &at, nullptr, nullptr) == nullptr) return;
    const Dwarf_Off wanted = dwarf_dieoffset(die);
    dies_.push_back(at);
    while (dwarf_dieoffset(&at) != wanted) {
      Dwarf_Die child;
      if (dwarf_child(&at, &child) != 0 || dwarf_dieoffset(&child) > wanted) {
        dies_.clear();
        return;
      }
      // A DIE lies between its parent and its parent's next sibling: the last child before it is it, or contains it.
      Dwarf_Die next;
      while (dwarf_siblingof(&child, &next) == 0 && dwarf_dieoffset(&next) <= wanted &&
             dwarf_dieoffset(&next) > dwarf_dieoffset(&child)) {
        child = next;
      }
      dies_.push_back(child);
      at = child;
    }
    std::reverse(dies_.begin(), dies_.end());
  }
  int size() const { return static_cast<int>(dies_.size()); }
  Dwarf_Die* at(int i) { return &dies_.at(static_cast<std::size_t>(i)); }

 private:
  std::vector<Dwarf_Die> dies_;
};

// The definition that a DIE is an instance of.
Dwarf_Die definition_of(Dwarf_Die die) {
  Dwarf_Attribute attribute;
  for (int depth = 0; depth < 8; ++depth) {
    Dwarf_Die next;
    if ((dwarf_attr(&die, DW_AT_abstract_origin, &attribute) == nullptr &&
         dwarf_attr(&die, DW_AT_specification, &attribute) == nullptr) ||
        dwarf_formref_die(&attribute, &next) == nullptr) {
      break;
    }
    die = next;
  }
  return die;
}

// How far functions within functions may be followed; a damaged file may have them in a circle.
constexpr int kDeepestName = 16;

// The function's name, qualified by what it is declared in.
std::string name_of(Dwarf_Die* die, int depth = 0) {
  if (std::string name = linkage_name(die); !name.empty()) return name;
  const char* own = dwarf_diename(die);
  if (own == nullptr) return {};
  std::string name = own;
  Dwarf_Die definition = definition_of(*die);
  Parents parents(&definition);
  for (int i = 1; i < parents.size(); ++i) {
    Dwarf_Die* parent = parents.at(i);
    const int tag = dwarf_tag(parent);
    if (tag == DW_TAG_subprogram) return depth < kDeepestName ? name_of(parent, depth + 1) + "::" + name : name;
    const bool scope = tag == DW_TAG_namespace || tag == DW_TAG_structure_type || tag == DW_TAG_class_type;
    if (!scope) continue;
    const char* text = dwarf_diename(parent);
    if (text == nullptr) {
      // Of types only those of lambdas have functions and no name.
      name = (tag == DW_TAG_namespace ? "(anonymous namespace)::" : "{lambda}::") + name;
      continue;
    }
    // gcc calls the type of a lambda "<lambda()>", demanglers call it "{lambda()#1}".
    std::string scope_name = text;
    if (scope_name.starts_with("<lambda") && scope_name.ends_with('>')) {
      scope_name.front() = '{';
      scope_name.back() = '}';
    }
    name = scope_name + "::" + name;
  }
  return name;
}

int number_attribute(Dwarf_Die* die, unsigned int which) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_formudata(dwarf_attr(die, which, &attribute), &value) != 0 || value > INT32_MAX) return 0;
  return static_cast<int>(value);
}

// What contains the instruction at address, innermost first, up to the function and its unit.
std::optional<Parents> scopes_of(Dwarf_Die* unit, Dwarf_Addr address) {
  Dwarf_Die* found = nullptr;
  if (dwarf_getscopes(unit, address, &found) <= 0) return std::nullopt;
  Dwarf_Die innermost = found[0];
  std::free(found);
  // dwarf_getscopes() continues with what contains the definition of an inlined function; where its instructions lie,
  // only the DIE's own parents say (elfutils, src/addr2line.c).
  return Parents(&innermost);
}

// "a/../b" is "b" to whoever reads it, and compilers that run in a build directory write much of that.
std::string full_path(const char* directory, const char* file) {
  std::filesystem::path path = file;
  if (path.is_relative() && directory != nullptr) path = directory / path;
  return path.lexically_normal().string();
}

// The compilation unit of an address, and null where there is none. libdw finds it by .debug_aranges, which clang does
// not write; then each unit is asked.
Dwarf_Die* unit_of(Dwfl_Module* module, std::uint64_t address, Dwarf_Addr& bias) {
  if (Dwarf_Die* unit = dwfl_module_addrdie(module, address, &bias)) return unit;
  Dwarf_Die* unit = nullptr;
  while ((unit = dwfl_module_nextcu(module, unit, &bias)) != nullptr) {
    if (dwarf_haspc(unit, address - bias) == 1) return unit;
  }
  return nullptr;
}

// Where the instruction at address, as the unit counts, was written.
void add_line(Dwarf_Die* unit, Dwarf_Addr address, trace::Frame& frame) {
  Dwarf_Line* line = dwarf_getsrc_die(unit, address);
  int number = 0;
  const char* file = line != nullptr ? dwarf_linesrc(line, nullptr, nullptr) : nullptr;
  if (file == nullptr || dwarf_lineno(line, &number) != 0) return;
  Dwarf_Attribute directory;
  frame.file = full_path(dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &directory)), file);
  frame.line = number;
}

// Where the inlined call was written.
void add_call_site(Dwarf_Die* unit, Dwarf_Die* call, trace::Frame& frame) {
  frame.line = number_attribute(call, DW_AT_call_line);
  Dwarf_Files* files = nullptr;
  std::size_t count = 0;
  if (dwarf_getsrcfiles(unit, &files, &count) != 0) return;
  const auto index = static_cast<std::size_t>(number_attribute(call, DW_AT_call_file));
  const char* file = index < count ? dwarf_filesrc(files, index, nullptr, nullptr) : nullptr;
  if (file == nullptr) return;
  Dwarf_Attribute directory;
  frame.file = full_path(dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &directory)), file);
}

void add_symbol(Dwfl_Module* module, std::uint64_t address, trace::Frame& frame) {
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name = dwfl_module_addrinfo(module, address, &offset, &symbol, nullptr, nullptr, nullptr);
  // Of a stripped file the nearest exported symbol may be far away.
  if (name == nullptr || offset >= symbol.st_size) return;
  frame.function = demangle(name);
  frame.entry_pc = address - offset;
}

std::vector<trace::Frame> read_frames(Dwfl_Module* module, std::uint64_t address) {
  std::vector<trace::Frame> frames(1);
  Dwarf_Addr bias = 0;
  if (Dwarf_Die* unit = unit_of(module, address, bias)) {
    add_line(unit, address - bias, frames.back());
    auto scopes = scopes_of(unit, address - bias);
    for (int i = 0; scopes && i < scopes->size() && frames.size() < kMaxInlined; ++i) {
      Dwarf_Die* scope = scopes->at(i);
      const int tag = dwarf_tag(scope);
      if (tag == DW_TAG_inlined_subroutine) {
        frames.back().function = name_of(scope);
        frames.back().inlined = true;
        frames.emplace_back();
        add_call_site(unit, scope, frames.back());
      } else if (tag == DW_TAG_subprogram) {
        frames.back().function = name_of(scope);
        Dwarf_Addr begin = 0;
        if (dwarf_entrypc(scope, &begin) == 0) frames.back().entry_pc = begin + bias;
        break;
      }
    }
  }
  add_symbol(module, address, frames.back());
  return frames;
}

int find_no_elf(Dwfl_Module* /*module*/, void** /*userdata*/, const char* /*name*/, Dwarf_Addr /*base*/,
                char** /*file_name*/, Elf** /*elf*/) {
  return -1;
}

// Files are named by us, and their separate debug information is looked for where gdb looks for it.
constexpr Dwfl_Callbacks kCallbacks = {.find_elf = find_no_elf,
                                       .find_debuginfo = dwfl_standard_find_debuginfo,
                                       .section_address = dwfl_offline_section_address,
                                       .debuginfo_path = nullptr};

}  // namespace

struct CodeMap::Files {
  std::unique_ptr<Dwfl, decltype(&dwfl_end)> dwfl{dwfl_begin(&kCallbacks), &dwfl_end};
  std::unordered_map<std::string, bool> opened;

  Dwfl_Module* module_at(std::uint64_t address, const FindImage& find) {
    if (dwfl == nullptr) return nullptr;
    if (Dwfl_Module* module = dwfl_addrmodule(dwfl.get(), address)) return module;
    const auto image = find(address);
    if (!image || !opened.emplace(image->path, true).second) return nullptr;
    dwfl_report_begin_add(dwfl.get());
    dwfl_report_elf(dwfl.get(), image->path.c_str(), image->path.c_str(), -1, image->bias, true);
    dwfl_report_end(dwfl.get(), nullptr, nullptr);
    return dwfl_addrmodule(dwfl.get(), address);
  }
};

CodeMap::CodeMap(FindImage find) : find_(std::move(find)), files_(std::make_unique<Files>()) {}
CodeMap::~CodeMap() = default;

const char* CodeMap::missing() { return ""; }

const CfiRow* CodeMap::cfi_row(std::uint64_t address) {
  const auto [found, is_new] = rows_.try_emplace(address);
  std::optional<CfiRow>& row = found->second;
  if (is_new) {
    if (Dwfl_Module* module = files_->module_at(address, find_)) {
      Dwarf_Addr bias = 0;
      Dwarf_CFI* cfi = dwfl_module_eh_cfi(module, &bias);
      row = read_row(cfi, bias, address);
      if (!row) {
        cfi = dwfl_module_dwarf_cfi(module, &bias);
        row = read_row(cfi, bias, address);
      }
    }
  }
  return row ? &*row : nullptr;
}

const std::vector<trace::Frame>& CodeMap::frames_at(std::uint64_t address) {
  const auto [found, is_new] = frames_.try_emplace(address);
  std::vector<trace::Frame>& frames = found->second;
  if (is_new) {
    Dwfl_Module* module = files_->module_at(address, find_);
    frames = module != nullptr ? read_frames(module, address) : std::vector<trace::Frame>(1);
  }
  return frames;
}

}  // namespace netpoll::symbols
