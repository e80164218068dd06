// Stacks and names for the snapshots that a program takes of itself.
#include <link.h>

#include <mutex>
#include <optional>

#include "libruntime/debug/snapshot.h"
#include "libruntime/symbols/code_map.h"
#include "libruntime/symbols/stacks.h"
#include "netpoll/debug/abi.h"

namespace netpoll::debug {
namespace {

#if defined(__x86_64__)
constexpr auto kSavedFrame = SavedFrame::kX64;
#elif defined(__aarch64__)
constexpr auto kSavedFrame = SavedFrame::kAarch64;
#else
constexpr auto kSavedFrame = SavedFrame::kUnknown;
#endif

struct Search {
  std::uint64_t address;
  std::optional<symbols::Image> found;
};

int look_at_image(dl_phdr_info* info, std::size_t /*size*/, void* arg) {
  auto& search = *static_cast<Search*>(arg);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const std::uint64_t begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type != PT_LOAD || search.address < begin || search.address - begin >= segment.p_memsz) continue;
    const bool program = info->dlpi_name == nullptr || info->dlpi_name[0] == '\0';
    search.found = symbols::Image{.path = program ? "/proc/self/exe" : info->dlpi_name, .bias = info->dlpi_addr};
    return 1;
  }
  return 0;
}

std::optional<symbols::Image> own_image(std::uint64_t address) {
  Search search{.address = address, .found = std::nullopt};
  dl_iterate_phdr(look_at_image, &search);
  return search.found;
}

// What is known of this process's code: read once, used by one snapshot at a time.
struct OwnCode {
  std::mutex mutex;
  symbols::CodeMap map{own_image};
};
OwnCode& own_code() {
  // Never destroyed: a snapshot may be taken while the process ends.
  static auto& instance = *new OwnCode;
  return instance;
}

class OwnStackNamer : public StackNamer {
 public:
  explicit OwnStackNamer(trace::GoroutineSnapshot& snapshot)
      : lock_(own_code().mutex), stacks_(own_code().map, snapshot) {}

  void add(trace::Goroutine& g, const StackCopy& copy) override {
    symbols::Unwound unwound;
    if (copy.sp == 0) {
      unwound.ends_early = "it runs";
    } else {
      unwound = symbols::unwind(own_code().map, static_cast<std::uint32_t>(kSavedFrame), copy.sp, copy.bytes, true);
    }
    stacks_.add(g, unwound, copy.start_pc, copy.created_pc);
  }

 private:
  const std::lock_guard<std::mutex> lock_;
  symbols::Stacks stacks_;
};

}  // namespace
}  // namespace netpoll::debug

// See libruntime/debug/snapshot.cc.
extern "C" netpoll::debug::StackNamer* netpoll_debug_make_stack_namer(netpoll::trace::GoroutineSnapshot& snapshot);
netpoll::debug::StackNamer* netpoll_debug_make_stack_namer(netpoll::trace::GoroutineSnapshot& snapshot) {
  return new netpoll::debug::OwnStackNamer(snapshot);
}
