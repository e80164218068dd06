// Stacks and names for the snapshots that a program takes of itself.
#include <link.h>

#include <mutex>
#include <optional>

#include "libruntime/symbols/code_map.h"
#include "libruntime/symbols/stacks.h"
#include "libruntime/trace/stack_namer.h"

namespace netpoll::symbols {
namespace {

struct Search {
  std::uint64_t address;
  std::optional<Image> found;
};

int look_at_image(dl_phdr_info* info, std::size_t /*size*/, void* arg) {
  auto& search = *static_cast<Search*>(arg);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const std::uint64_t begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type != PT_LOAD || search.address < begin || search.address - begin >= segment.p_memsz) continue;
    const bool program = info->dlpi_name == nullptr || info->dlpi_name[0] == '\0';
    search.found = Image{.path = program ? "/proc/self/exe" : info->dlpi_name, .bias = info->dlpi_addr};
    return 1;
  }
  return 0;
}

std::optional<Image> own_image(std::uint64_t address) {
  Search search{.address = address, .found = std::nullopt};
  dl_iterate_phdr(look_at_image, &search);
  return search.found;
}

// What is known of this process's code: read once, used by one snapshot at a time.
struct OwnCode {
  std::mutex mutex;
  CodeMap map{own_image};
};
OwnCode& own_code() {
  // Never destroyed: a snapshot may be taken while the process ends.
  static auto& instance = *new OwnCode;
  return instance;
}

class OwnStackNamer : public trace::StackNamer {
 public:
  explicit OwnStackNamer(trace::GoroutineSnapshot& snapshot)
      : lock_(own_code().mutex), stacks_(own_code().map, snapshot) {}

  void add(trace::Goroutine& g, const trace::StackCopy& copy) override {
    Unwound unwound;
    if (copy.at_rest) {
      unwound.at_start = true;
    } else if (copy.sp == 0) {
      unwound.ends_early = "it runs";
    } else {
      unwound = unwind(own_code().map, static_cast<std::uint32_t>(copy.saved_frame), copy.sp, copy.bytes, true);
    }
    stacks_.add(g, unwound, copy.start_pc, copy.created_pc);
  }

 private:
  const std::lock_guard<std::mutex> lock_;
  Stacks stacks_;
};

}  // namespace
}  // namespace netpoll::symbols

netpoll::trace::StackNamer* netpoll_debug_make_stack_namer(netpoll::trace::GoroutineSnapshot& snapshot) {
  return new netpoll::symbols::OwnStackNamer(snapshot);
}
