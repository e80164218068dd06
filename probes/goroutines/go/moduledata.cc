// Finds moduledata by its pointers into the pclntab, and recognises its layout.
#include "probes/goroutines/go/moduledata.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "probes/goroutines/go/memory_scan.h"

namespace netpoll::probes {
namespace {

// Numbers of 8-byte words.
constexpr std::size_t kWords = 48;
constexpr std::size_t kText = 22;
constexpr std::size_t kData = 24;  // four pairs

struct Layout {
  std::size_t types;
  std::size_t types_end;
  std::size_t gofunc;
  std::size_t text_sections;  // length of the slice textsectmap
  std::size_t pclntab_end;    // 0: has no such word
};
constexpr Layout k118 = {.types = 35, .types_end = 36, .gofunc = 38, .text_sections = 40, .pclntab_end = 0};
constexpr Layout k120 = {.types = 37, .types_end = 38, .gofunc = 40, .text_sections = 42, .pclntab_end = 0};
constexpr Layout k126 = {.types = 37, .types_end = 38, .gofunc = 40, .text_sections = 43, .pclntab_end = 41};
constexpr Layout k127 = {.types = 37, .types_end = 39, .gofunc = 43, .text_sections = 46, .pclntab_end = 44};

bool fits(const Layout& layout, const std::vector<std::uint64_t>& w, const PclntabPlace& pclntab) {
  if (w[layout.types] >= w[layout.types_end] || w[layout.text_sections] != 1) return false;
  if (layout.pclntab_end == 0) return true;
  // Since 1.26 gofunc lies in the pclntab, whose end the next word tells.
  const std::uint64_t end = w[layout.pclntab_end];
  const std::uint64_t gofunc = w[layout.gofunc];
  return pclntab.address < gofunc && gofunc <= end && end - pclntab.address <= pclntab.bytes.size();
}

}  // namespace

std::optional<ModuleData> parse_moduledata(Bytes bytes, const PclntabPlace& pclntab) {
  std::vector<std::uint64_t> w(kWords);
  for (std::size_t i = 0; i < kWords; ++i) {
    const auto word = bytes.at<std::uint64_t>(8 * i);
    if (!word) return std::nullopt;
    w[i] = *word;
  }
  const PclntabHeader& h = pclntab.header;
  const std::uint64_t at = pclntab.address;
  if (w[0] != at || w[1] != at + h.names || w[4] != at + h.units || w[7] != at + h.files || w[10] != at + h.pc_values ||
      w[16] != at + h.functab || w[17] != h.functions + 1 || w[kText] >= w[kText + 1]) {
    return std::nullopt;
  }
  const Layout* layout = nullptr;
  if (h.before_1_20) {
    layout = fits(k118, w, pclntab) ? &k118 : nullptr;
  } else {
    for (const Layout* l : {&k127, &k126, &k120}) {
      if (layout == nullptr && fits(*l, w, pclntab)) layout = l;
    }
  }
  if (layout == nullptr) return std::nullopt;
  ModuleData module{.text = {w[kText], w[kText + 1]},
                    .data = {},
                    .types = {w[layout->types], w[layout->types_end]},
                    .gofunc = w[layout->gofunc]};
  for (std::size_t i = 0; i < module.data.size(); ++i) {
    module.data[i] = {w[kData + 2 * i], w[kData + 2 * i + 1]};
    if (module.data[i].begin > module.data[i].end) return std::nullopt;
  }
  return module;
}

bool ModuleData::holds_data(std::uint64_t address) const {
  return std::any_of(data.begin(), data.end(), [&](const AddressRange& range) { return range.holds(address); });
}

Result<ModuleData> find_moduledata(const Image& image, Memory& memory, const PclntabPlace& pclntab) {
  std::vector<AddressRange> searched;
  for (const char* name : {".go.module", ".noptrdata", ".data"}) {
    if (const auto section = image.section(name)) searched.push_back(*section);
  }
  const auto segments = image.segments(PF_W);
  searched.insert(searched.end(), segments.begin(), segments.end());
  bool seen = false;
  std::optional<ModuleData> found;
  const auto visit = [&](Bytes bytes) {
    for (std::uint64_t at = 0; at + 16 <= bytes.size() && !found; at += 8) {
      if (bytes.at<std::uint64_t>(at) != pclntab.address ||
          bytes.at<std::uint64_t>(at + 8) != pclntab.address + pclntab.header.names) {
        continue;
      }
      seen = true;
      found = parse_moduledata(bytes.from(at), pclntab);
    }
    return found.has_value();
  };
  for (const AddressRange& range : searched) {
    if (auto r = scan_memory(memory, range, 8 * kWords, visit); !r) return std::move(r).error();
    if (found) return *found;
  }
  return Error(
      ErrorKind::kNotSupported,
      seen ? "the Go program's moduledata has a layout that is none of Go 1.18 to 1.27, or several text sections"
           : "the Go program's moduledata was not found");
}

}  // namespace netpoll::probes
