// Attaches the BPF programs that do nothing.
#include "tests/bench/probe_floor.h"

#include <bpf/libbpf.h>

#include "tests/bench/probe_floor.skel.h"

namespace netpoll::bench {
namespace {

class FloorSource : public probes::Source {
 public:
  FloorSource(probe_floor* skeleton, bool both) : skeleton_(skeleton), both_(both) {}
  ~FloorSource() override { probe_floor__destroy(skeleton_); }

  probes::Backend backend() const override { return probes::Backend::kEbpf; }
  Result<void> attach(std::span<const probes::Target>) override {
    skeleton_->links.floor_leave = bpf_program__attach(skeleton_->progs.floor_leave);
    if (both_) skeleton_->links.floor_enter = bpf_program__attach(skeleton_->progs.floor_enter);
    return {};
  }
  Result<bool> wait(int, int) override { return true; }
  Result<probes::Counts> read() override { return probes::Counts{}; }
  Result<probes::CountsByTarget> read_each() override { return probes::CountsByTarget{}; }
  void detach() override { probe_floor__detach(skeleton_); }
  std::string overhead_note() const override { return {}; }

 private:
  probe_floor* skeleton_;
  bool both_;
};

}  // namespace

std::unique_ptr<probes::Source> make_floor_source(const probes::SourceOptions& options) {
  probe_floor* skeleton = probe_floor__open_and_load();
  if (skeleton == nullptr) return nullptr;
  return std::make_unique<FloorSource>(skeleton, options.latency);
}

}  // namespace netpoll::bench
