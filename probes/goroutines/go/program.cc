// Attaches to a Go program: tables, layout, list of goroutines.
#include "probes/goroutines/go/program.h"

#include <elf.h>

#include <cstring>
#include <utility>

#include "probes/goroutines/go/allgs.h"
#include "probes/goroutines/go/build_info.h"
#include "probes/goroutines/go/type_metadata.h"
#include "probes/process/elf/elf_files.h"

namespace netpoll::probes {
namespace {

constexpr int kNewestVerified = 27;
constexpr int kFirstWithLabelSlices = 24;

// ElfFile takes 64-bit files alone. Of a 32-bit one it is looked whether it is a Go program, so that we can say so.
bool is_go_of_32_bits(Subject& subject) {
  const std::string path = subject.executable_path();
  for (const Mapping& m : subject.mappings()) {
    if (m.path != path) continue;
    std::vector<std::byte> bytes(std::min<std::uint64_t>(m.end - m.start, 16 << 20));
    if (!subject.memory().read(m.start, bytes.data(), bytes.size())) continue;
    if (m.file_offset == 0) {
      const bool elf32 = bytes.size() > EI_CLASS && std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0 &&
                         std::to_integer<int>(bytes[EI_CLASS]) == ELFCLASS32;
      if (!elf32) return false;
    }
    if (Bytes(bytes).find("\xff Go buildinf:")) return true;
  }
  return false;
}

Error not_supported(std::string what) { return Error(ErrorKind::kNotSupported, std::move(what)); }

// Names the Go version in what could not be done with it.
Error of_version(Error error, const std::string& version) {
  return version.empty() ? std::move(error) : std::move(error).within(version);
}

// The rest of opening, once the pclntab was found: the executable is a Go program.
Result<std::unique_ptr<GoProgram>> open_with(Subject& subject, Image image, const PclntabPlace& place,
                                             std::string version) {
  const GoArch* arch = go_arch(image.file().machine());
  if (arch == nullptr) return not_supported("a Go program for another machine than x86-64 and aarch64");
  Memory& memory = subject.memory();
  auto module = find_moduledata(image, memory, place);
  if (!module) return std::move(module).error();
  auto pclntab = Pclntab::open(place, module->text, image.at(module->gofunc));
  if (!pclntab) return std::move(pclntab).error();
  auto layout = derive_layout(TypeMetadata(image, memory, module->types));
  if (!layout) return std::move(layout).error();
  const KnownFunctions functions = KnownFunctions::find(*pclntab);
  const auto allgs = find_allgs(image, memory, functions.allgs_users, *module, layout->g, *arch);
  if (!allgs) return not_supported("the Go program's list of goroutines (runtime.allgs) was not found");
  if (version.empty()) version = find_build_version(image, memory, *module);

  WaitReasons reasons = WaitReasons::find(image, memory, *module);
  std::vector<std::string> warnings;
  const auto minor = go_minor(version);
  if (minor && *minor > kNewestVerified) {
    warnings.push_back(version + " is newer than the newest version verified, 1." + std::to_string(kNewestVerified) +
                       "; all structural checks hold");
  }
  if (!reasons.known()) warnings.emplace_back("the program's names of wait reasons were not found");
  // A program whose labels another package sets has no descriptor of their type.
  if (layout->labels == LabelForm::kNone && minor) {
    layout->labels = *minor >= kFirstWithLabelSlices ? LabelForm::kSlice : LabelForm::kMap;
  }
  return std::make_unique<GoProgram>(GoProgram{.image = std::move(image),
                                               .arch = arch,
                                               .module = *module,
                                               .pclntab = *pclntab,
                                               .functions = functions,
                                               .layout = *layout,
                                               .allgs = *allgs,
                                               .wait_reasons = std::move(reasons),
                                               .version = std::move(version),
                                               .warnings = std::move(warnings)});
}

// Null where the file is no Go program's.
Result<std::unique_ptr<GoProgram>> open_in(Subject& subject, Image image) {
  const auto version = go_version_of(image.file());
  auto place = find_pclntab(image);
  if (!place) return of_version(std::move(place).error(), version.value_or("")).within(subject.name());
  if (!*place) {
    if (!version) return std::unique_ptr<GoProgram>();
    return of_version(not_supported("the Go program's pclntab was not found"), *version).within(subject.name());
  }
  auto program = open_with(subject, std::move(image), **place, version.value_or(""));
  if (!program && program.error().is(ErrorKind::kNotSupported)) {
    return of_version(std::move(program).error(), version.value_or("")).within(subject.name());
  }
  return program;
}

Result<std::unique_ptr<GoProgram>> open_executable(Subject& subject) {
  auto image = Image::open(subject);
  if (image) return open_in(subject, std::move(*image));
  if (image.error().is(ErrorKind::kProtocol)) {
    if (is_go_of_32_bits(subject)) return not_supported(subject.name() + ": a 32-bit Go program");
    return std::unique_ptr<GoProgram>();
  }
  // Not mapped as its headers say: no program of ours, unless it claims to be Go.
  if (image.error().is(ErrorKind::kNotSupported)) {
    const auto file = subject.elf_files()->open_executable();
    if (file && !go_version_of(*file)) return std::unique_ptr<GoProgram>();
  }
  return std::move(image).error();
}

}  // namespace

Result<std::unique_ptr<GoProgram>> open_program(Subject& subject) {
  auto program = open_executable(subject);
  if (!program || *program != nullptr) return program;
  const Mapping* library = find_go_library(subject);
  if (library == nullptr) return program;
  auto image = Image::open(subject, *library);
  return image ? open_in(subject, std::move(*image)) : std::move(image).error();
}

}  // namespace netpoll::probes
