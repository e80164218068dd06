// CodeMap: what the code of a process is called and how its stacks are unwound, from the ELF files that it runs and
// their DWARF.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "netpoll/trace/goroutine.h"

namespace netpoll::symbols {

// A file as it lies in the memory of a process.
struct Image {
  std::string path;        // to open it by; for a process that runs elsewhere, a way that leads there from here
  std::uint64_t bias = 0;  // what was added to its virtual addresses when it was loaded
};

// DWARF's numbers of registers (System V AMD64 ABI, figure 3.36; DWARF for the ARM 64-bit architecture, table 4.1), as
// many as unwinding needs.
inline constexpr std::size_t kRegisters = 33;
inline constexpr int kNoRegister = -1;

// How a caller's registers are found from those of its callee at one address: a row of the DWARF call frame
// information.
struct CfiRow {
  enum class Where : std::uint8_t { kUndefined, kSame, kAtCfa, kIsCfa };
  struct Rule {
    Where where = Where::kSame;
    std::int64_t offset = 0;  // kAtCfa: saved there; kIsCfa: its value is so far from the CFA
  };
  int cfa_register = kNoRegister;
  std::int64_t cfa_offset = 0;
  int return_register = kNoRegister;
  std::array<Rule, kRegisters> rules{};
  std::uint64_t start = 0;  // the first instruction that the row is true of

  bool outermost() const { return rules[static_cast<std::size_t>(return_register)].where == Where::kUndefined; }
};

// Files are opened when an address in them is first asked for, and kept; so are answers. What cannot be read (a
// stripped file, a build without libdw) is an empty answer. The files are foreign bytes; libdw checks them. One thread
// at a time.
class CodeMap {
 public:
  // find: the file that holds an address of the process; nothing for memory without one.
  using FindImage = std::function<std::optional<Image>(std::uint64_t address)>;
  explicit CodeMap(FindImage find);
  ~CodeMap();
  CodeMap(const CodeMap&) = delete;
  CodeMap& operator=(const CodeMap&) = delete;

  // The row for the instruction at address; null where there is none that we understand.
  const CfiRow* cfi_row(std::uint64_t address);

  // The frames of the instruction at address, innermost first: the calls that were inlined there, then the function
  // that contains them all. Never empty: without a name, a frame has its address alone. `pc` is not set.
  const std::vector<trace::Frame>& frames_at(std::uint64_t address);

  // Why names and stacks are missing from every answer; empty when they are not.
  static const char* missing();

 private:
  struct Files;
  FindImage find_;
  std::unique_ptr<Files> files_;
  std::unordered_map<std::uint64_t, std::optional<CfiRow>> rows_;
  std::unordered_map<std::uint64_t, std::vector<trace::Frame>> frames_;
};

}  // namespace netpoll::symbols
