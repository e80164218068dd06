// ELF files: headers, sections, segments, the USDT notes in them, and which Go they say they are of.
#include "probes/process/elf/elf_file.h"

#include "probes/goroutines/go/build_info.h"
#include "probes/process/elf/usdt_args.h"
#include "probes/process/elf/usdt_notes.h"
#include "tests/fuzz/input.h"

using namespace netpoll::probes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const netpoll::test::InputFile input(data, size);
  if (const auto sites = read_usdt_sites(input.path(), "netpoll")) {
    for (const UsdtSite& site : *sites) (void)parse_usdt_args(site.args);
  }
  const auto file = ElfFile::open(input.path());
  if (!file) return 0;
  std::size_t sum = 0;
  for (const ElfSection& section : file->sections()) {
    for (const std::byte b : section.data) sum += std::to_integer<unsigned>(b);
    for (const char c : section.name) sum += static_cast<unsigned char>(c);
  }
  for (const Elf64_Phdr& segment : file->program_headers()) {
    for (const std::byte b : file->contents(segment)) sum += std::to_integer<unsigned>(b);
    sum += file->address_of(segment.p_offset).value_or(0);
  }
  (void)go_version_of(*file);
  return file->find_section(".text") != nullptr && sum == 0 ? 0 : 0;
}
