// Finds the list by what the code that appends to it refers to, and reads it.
#include "probes/goroutines/go/allgs.h"

#include <algorithm>
#include <array>
#include <string>

#include "probes/goroutines/go/go_g.h"

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kMaxCode = 1 << 16;
constexpr std::uint64_t kMaxGoroutines = 1 << 22;
constexpr std::uint64_t kChecked = 64;
constexpr int kAttempts = 5;

struct Slice {
  std::uint64_t data = 0;
  std::uint64_t length = 0;
  std::uint64_t capacity = 0;

  bool plausible() const {
    return data != 0 && data % 8 == 0 && length > 0 && length <= capacity && length <= kMaxGoroutines;
  }
};

// Of a program the first is the main goroutine, which lives as long as it does. In a library the main goroutine returns
// once the packages are initialised (runtime/proc.go, main), and its g is used again.
bool begins_a_list(const std::vector<GoG>& gs, bool library) {
  if (library) return std::any_of(gs.begin(), gs.end(), [](const GoG& g) { return g.lives(); });
  return gs.front().goid == 1 && gs.front().lives();
}

// A library is position-independent and names no interpreter. So are static executables of that form, whose main
// goroutine lives all the same.
bool may_be_library(const Image& image) {
  const auto& headers = image.file().program_headers();
  return std::all_of(headers.begin(), headers.end(), [](const Elf64_Phdr& h) {
    return h.p_type != PT_INTERP && (h.p_type != PT_LOAD || h.p_offset != 0 || h.p_vaddr == 0);
  });
}

bool is_list_of_gs(Memory& memory, const GLayout& layout, std::uint64_t address, bool library) {
  const auto slice = memory.read_value<Slice>(address);
  if (!slice || !slice->plausible()) return false;
  std::vector<std::uint64_t> first(std::min(slice->length, kChecked));
  if (!memory.read(slice->data, first.data(), first.size() * sizeof(first[0]))) return false;
  for (const std::uint64_t g : first) {
    if (g == 0 || g % 8 != 0) return false;
  }
  const auto gs = read_gs(memory, layout, first);
  if (!gs || gs->size() != first.size()) return false;
  return begins_a_list(*gs, library);
}

}  // namespace

std::optional<std::uint64_t> find_allgs(const Image& image, Memory& memory,
                                        std::span<const std::optional<GoFunction>> functions, const ModuleData& module,
                                        const GLayout& layout, const GoArch& arch) {
  std::vector<std::uint64_t> tried;
  for (const auto& function : functions) {
    if (!function) continue;
    const Bytes code = image.at(AddressRange{function->entry, function->end});
    for (const std::uint64_t address : arch.references(code.first(kMaxCode), function->entry)) {
      if (address % 8 != 0 || !module.holds_data(address)) continue;
      if (std::find(tried.begin(), tried.end(), address) != tried.end()) continue;
      tried.push_back(address);
      if (is_list_of_gs(memory, layout, address, /*library=*/false)) return address;
    }
  }
  if (!may_be_library(image)) return std::nullopt;
  for (const std::uint64_t address : tried) {
    if (is_list_of_gs(memory, layout, address, /*library=*/true)) return address;
  }
  return std::nullopt;
}

Result<std::vector<std::uint64_t>> read_allgs(Memory& memory, std::uint64_t allgs) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto slice = memory.read_value<Slice>(allgs);
    if (!slice) return std::move(slice).error();
    if (!slice->plausible()) continue;
    std::vector<std::uint64_t> list(slice->length);
    auto r = memory.read(slice->data, list.data(), list.size() * sizeof(list[0]));
    if (!r && !r.error().is(ErrorKind::kProtocol)) return std::move(r).error();
    const auto again = memory.read_value<Slice>(allgs);
    // A list that had to grow moved; its old place may hold anything by now.
    if (!r || !again || again->data != slice->data || again->length < slice->length) continue;
    std::sort(list.begin(), list.end());  // neighbours in memory are read together
    return list;
  }
  return Error(ErrorKind::kProtocol, "the Go program's list of goroutines makes no sense, or keeps moving");
}

}  // namespace netpoll::probes
