// Go's table of functions and lines, and unwinding by it.
#include "probes/goroutines/go/pclntab.h"

#include "probes/goroutines/go/arch.h"
#include "probes/goroutines/go/unwinder.h"
#include "tests/fuzz/input.h"

using namespace netpoll::probes;

namespace {

constexpr std::uint64_t kText = 0x400000;
constexpr std::uint64_t kCode = 4096;

}  // namespace

// A byte says how much of the end is the inline trees, and the stack to be unwound.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  netpoll::test::Numbers numbers(data, size);
  const std::size_t trees = std::min<std::size_t>(numbers.take<std::uint8_t>(), size / 2);
  const Bytes all(netpoll::test::bytes_of(data, size));
  const Bytes table_bytes = all.from(1).first(size - std::min(size, trees + 1));
  const Bytes rest = all.from(size - trees);
  const auto header = parse_pclntab_header(table_bytes);
  if (!header) return 0;
  const PclntabPlace place{.address = 0x500000, .bytes = table_bytes, .header = *header};
  auto table = Pclntab::open(place, {kText, kText + kCode}, rest);
  if (!table) return 0;
  for (std::uint64_t pc = kText - 1; pc < kText + 130; pc += 3) {
    const auto f = table->function_at(pc);
    if (!f) continue;
    for (const GoLine& line : table->lines(*f, pc)) (void)printed_name(line.function);
    (void)table->name(*f);
    (void)table->frame_size(*f, pc);
    (void)table->is_outermost(*f);
    (void)table->moves_stack(*f);
    (void)table->is_wrapper(*f);
  }
  const KnownFunctions functions = KnownFunctions::find(*table);
  for (const std::uint16_t machine : {EM_X86_64, EM_AARCH64}) {
    Unwinder unwinder(*table, functions, *go_arch(machine));
    StackBytes stack(0x10000, 0x10000 + trees, std::span(rest.data(), rest.size()), nullptr);
    (void)unwinder.walk({.pc = kText + 50, .sp = 0x10000, .lr = kText + 60, .call = true}, stack, 1000);
  }
  return 0;
}
