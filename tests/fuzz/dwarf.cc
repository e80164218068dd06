// The names, lines and unwinding rules that libdw finds in a program's file.
#include "libruntime/symbols/code_map.h"
#include "libruntime/symbols/goroutine_names.h"
#include "libruntime/symbols/unwind.h"
#include "netpoll/debug/abi.h"
#include "tests/fuzz/input.h"

using namespace netpoll::symbols;

// libdw 0.188 forgets some bytes where a scope's ranges are damaged (dwarf_getscopes), which nothing outside can free.
extern "C" const char* __lsan_default_suppressions();  // NOLINT: the sanitizer's name
extern "C" const char* __lsan_default_suppressions() { return "leak:libdw.so"; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const netpoll::test::InputFile input(data, size);
  CodeMap code([&](std::uint64_t) { return std::optional(Image{.path = input.path(), .bias = 0}); });
  // Where linkers put code, and where a mutated seed's may be.
  for (std::uint64_t address = 0x401000; address < 0x401080; address += 8) {
    (void)code.cfi_row(address);
    for (const auto& frame : code.frames_at(address)) (void)goroutine_function(frame.function);
  }
  // The end of the input is a stack as well.
  const auto all = netpoll::test::bytes_of(data, size);
  const auto stack = all.last(std::min<std::size_t>(size, 256));
  (void)unwind(code, static_cast<std::uint32_t>(netpoll::debug::SavedFrame::kX64), 0x10000, stack, true);
  return 0;
}
