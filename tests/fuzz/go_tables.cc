// A Go program's type descriptors, moduledata, g's, pollDescs, labels and the references in its code, each by itself.
#include <elf.h>

#include "probes/goroutines/go/allgs.h"
#include "probes/goroutines/go/build_info.h"
#include "probes/goroutines/go/go_g.h"
#include "probes/goroutines/go/labels.h"
#include "probes/goroutines/go/moduledata.h"
#include "probes/goroutines/go/poll_descs.h"
#include "probes/goroutines/go/type_metadata.h"
#include "tests/fuzz/input.h"

using namespace netpoll::probes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  netpoll::test::Numbers numbers(data, size);
  const auto which = numbers.take<std::uint8_t>();
  if (size < 2) return 0;
  ++data;
  --size;
  const Bytes bytes(netpoll::test::bytes_of(data, size));
  netpoll::test::InputMemory memory(data, size);
  switch (which % 7) {
    case 0: {
      const GoTypeName wanted[] = {{.name = "runtime.g"}, {.name = "runtime.g", .kind = GoKind::kMap}};
      (void)find_descriptors(bytes, wanted);
      (void)parse_go_name(bytes);
      std::vector<std::uint64_t> names;
      (void)parse_fields(bytes, size, names);
      break;
    }
    case 1: {
      // The linker's offsets of a table of 4096 bytes.
      PclntabPlace place{.address = 0x1000, .bytes = bytes, .header = {}};
      place.header.functions = 2;
      (void)parse_moduledata(bytes, place);
      break;
    }
    case 2: {
      GLayout layout;
      layout.stack_hi = 8;
      layout.sched_sp = 56;
      layout.status = 144;
      layout.goid = 152;
      layout.labels = 352;
      layout.bytes = 400;
      (void)parse_g(0x1000, bytes, layout);
      std::vector<std::uint64_t> addresses;
      for (std::uint64_t at = 0; at < size && addresses.size() < 16; at += 400) addresses.push_back(at);
      (void)read_gs(memory, layout, addresses);
      break;
    }
    case 3: {
      const PollDescLayout layout{.fd = 8, .rg = 32, .wg = 56, .rd = 80, .wd = 88, .self = 96, .bytes = 104};
      (void)parse_poll_desc(0, bytes, layout);
      break;
    }
    case 4: {
      const std::uint64_t pointers[] = {0, 8, 16};
      for (const LabelForm form : {LabelForm::kMap, LabelForm::kSlice}) (void)read_labels(memory, form, pointers);
      break;
    }
    case 5:
      (void)read_allgs(memory, 0);
      break;
    default:
      for (const std::uint16_t machine : {EM_X86_64, EM_AARCH64}) (void)go_arch(machine)->references(bytes, 0x400000);
      (void)go_minor(netpoll::test::text_of(data, size));
  }
  return 0;
}
