// Walks symbol tables, and makes demangled names readable.
#include "probes/process/symbols.h"

#include <cxxabi.h>
#include <elf.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "probes/process/elf_file.h"

namespace netpoll::probes {
namespace {

std::string demangle(const char* name) {
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 ? std::string(text.get()) : std::string(name);
}

// An address that is looked for in a file: where the file has it, and where the process has it.
struct Wanted {
  std::uint64_t in_file;
  std::uint64_t in_process;
};

const ElfSection* symbol_table(const ElfFile& file) {
  // A stripped file keeps its dynamic symbols, the exported functions.
  for (const std::string_view name : {".symtab", ".dynsym"}) {
    const ElfSection* table = file.find_section(name);
    if (table != nullptr && !table->data.empty() && table->link < file.sections().size()) return table;
  }
  return nullptr;
}

void look_up(const ElfFile& file, std::vector<Wanted> wanted, SymbolNames& names) {
  const ElfSection* table = symbol_table(file);
  if (table == nullptr) return;
  const auto strings = file.sections()[table->link].data;
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) { return a.in_file < b.in_file; });
  for (std::size_t at = 0; at + sizeof(Elf64_Sym) <= table->data.size(); at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol;
    std::memcpy(&symbol, table->data.data() + at, sizeof(symbol));
    if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF) continue;
    auto first = std::lower_bound(wanted.begin(), wanted.end(), symbol.st_value,
                                  [](const Wanted& w, std::uint64_t value) { return w.in_file < value; });
    for (; first != wanted.end() && first->in_file - symbol.st_value < std::max<std::uint64_t>(symbol.st_size, 1);
         ++first) {
      if (symbol.st_name >= strings.size()) break;
      const auto* name = reinterpret_cast<const char*>(strings.data()) + symbol.st_name;
      if (strnlen(name, strings.size() - symbol.st_name) == strings.size() - symbol.st_name) break;
      names.emplace(first->in_process, demangle(name));
    }
  }
}

// Opens the file behind a mapping as the target sees it; only if it is still the same file.
std::optional<ElfFile> open_mapped(Subject& subject, const Mapping& mapping) {
  // The executable first: that way reaches a deleted or replaced program too.
  auto executable = subject.open_executable();
  if (executable && executable->inode() == mapping.inode) return std::move(*executable);
  auto file = subject.open(mapping);
  if (!file) return std::nullopt;
  return std::move(*file);
}

// Whether the angle bracket at i belongs to an operator ("operator<<", "->") and brackets nothing.
bool part_of_operator(std::string_view text, std::size_t i) {
  const std::string_view before = text.substr(0, i);
  return before.ends_with("operator") || before.ends_with("operator<") || before.ends_with("operator>") ||
         before.ends_with("-");
}

// What stands between the angle bracket at `open` and its counterpart; empty when it has none.
std::string_view template_argument(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if ((text[i] != '<' && text[i] != '>') || part_of_operator(text, i)) continue;
    depth += text[i] == '<' ? 1 : -1;
    if (depth == 0) return text.substr(open + 1, i - open - 1);
  }
  return {};
}

}  // namespace

std::string goroutine_function(std::string_view demangled) {
  static constexpr std::array<std::string_view, 2> kWrappers = {"netpoll::detail::spawn<", "netpoll::Runtime::run<"};
  std::string_view name = demangled;
  for (;;) {
    // The wrapper is the outermost function: only a return type may stand before it.
    std::string_view inner;
    for (const std::string_view wrapper : kWrappers) {
      for (const std::string_view result : {std::string_view("void "), std::string_view()}) {
        if (name.starts_with(result) && name.substr(result.size()).starts_with(wrapper)) {
          inner = template_argument(name, result.size() + wrapper.size() - 1);
        }
      }
    }
    if (inner.empty()) return std::string(name);
    name = inner;
  }
}

SymbolNames resolve_symbols(Subject& subject, std::span<const std::uint64_t> addresses) {
  const std::vector<Mapping>& mappings = subject.mappings();
  std::map<std::uint64_t, std::pair<const Mapping*, std::vector<std::uint64_t>>> by_inode;
  for (const std::uint64_t address : addresses) {
    if (const Mapping* m = find_mapping(mappings, address)) {
      auto& [mapping, list] = by_inode[m->inode];
      mapping = m;
      list.push_back(address);
    }
  }
  SymbolNames names;
  for (const auto& [inode, group] : by_inode) {
    const auto file = open_mapped(subject, *group.first);
    if (!file) continue;
    std::vector<Wanted> wanted;
    for (const std::uint64_t address : group.second) {
      const Mapping* m = find_mapping(mappings, address);
      if (const auto in_file = file->address_of(address - m->start + m->file_offset)) {
        wanted.push_back({.in_file = *in_file, .in_process = address});
      }
    }
    look_up(*file, std::move(wanted), names);
  }
  return names;
}

}  // namespace netpoll::probes
