// Takes from a Go program's type descriptors what a tracer needs to know of a g.
#include "probes/goroutines/go/names.h"

#include <chrono>
#include <map>
#include <unordered_map>

#include "probes/goroutines/go/labels.h"
#include "probes/goroutines/go/program.h"
#include "probes/process/subject.h"

namespace netpoll::probes {
namespace {

using std::chrono::steady_clock;

// On linux/amd64 runtime.tlsg is the last word before the thread's control block (Go's runtime/asm_amd64.s, settls:
// "ELF wants to use -8(FS)"; cmd/link takes the same for external linking).
constexpr std::int32_t kGOffset = -8;
constexpr std::size_t kMostLabelSets = 1 << 16;

class GoNames : public GoroutineNames {
 public:
  Kind look_at(pid_t pid) override {
    processes_.erase(pid);
    auto subject = make_live_subject(pid);
    if (!subject) return Kind::kNotYet;
    auto program = open_program(**subject);
    // One that cannot be read now may be one that the loader has not finished.
    if (!program) return Kind::kNotYet;
    if (*program == nullptr) return Kind::kOther;
    const GoLayout& layout = (*program)->layout;
    processes_[pid] = {
        .current = {.tls_offset = kGOffset,
                    .goid_offset = static_cast<std::uint32_t>(layout.g.goid),
                    .labels_offset =
                        layout.labels == LabelForm::kNone ? 0 : static_cast<std::uint32_t>(layout.g.labels)},
        .form = layout.labels,
        .memory = make_process_memory(pid),
        .sets = {}};
    return Kind::kGo;
  }

  std::optional<CurrentG> current_g(pid_t pid) const override {
    const auto found = processes_.find(pid);
    return found != processes_.end() ? std::optional(found->second.current) : std::nullopt;
  }

  std::shared_ptr<const trace::Labels> labels(pid_t pid, std::uint64_t pointer) override {
    const auto found = processes_.find(pid);
    if (pointer == 0 || found == processes_.end()) return nullptr;
    Process& process = found->second;
    const auto now = steady_clock::now();
    Set& set = process.sets[pointer];
    if (now < set.good_until) return set.labels;
    set = {.labels = nullptr, .good_until = now + std::chrono::seconds(1)};
    auto read = read_labels(*process.memory, process.form, std::span(&pointer, 1));
    std::shared_ptr<const trace::Labels> labels;
    if (read && read->contains(pointer)) labels = std::make_shared<const trace::Labels>(std::move(read->at(pointer)));
    set.labels = labels;
    if (process.sets.size() > kMostLabelSets) process.sets.clear();
    return labels;
  }

  void forget(pid_t pid) override { processes_.erase(pid); }

 private:
  struct Set {
    std::shared_ptr<const trace::Labels> labels;
    steady_clock::time_point good_until;
  };
  struct Process {
    CurrentG current;
    LabelForm form = LabelForm::kNone;
    std::unique_ptr<Memory> memory;
    std::unordered_map<std::uint64_t, Set> sets;  // by the value of g.labels
  };

  std::map<pid_t, Process> processes_;
};

}  // namespace

std::unique_ptr<GoroutineNames> make_go_names() { return std::make_unique<GoNames>(); }

}  // namespace netpoll::probes
