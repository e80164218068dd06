// A Source that attaches nothing and only waits for the end of its target.
#include "probes/none/uncounted_source.h"

#include "probes/process/watch.h"

namespace netpoll::probes {
namespace {

class UncountedSource : public Source {
 public:
  Backend backend() const override { return Backend::kNone; }
  Result<void> attach(std::span<const Target> targets) override {
    pids_ = pids_of(targets);
    auto watches = ProcessWatches::open(pids_);
    if (!watches) return std::move(watches).error();
    watches_ = std::move(*watches);
    return {};
  }
  Result<bool> wait(int timeout_ms, int stop_fd) override { return watches_.wait(timeout_ms, stop_fd); }
  Result<Counts> read() override { return Counts{}; }
  Result<CountsByTarget> read_each() override {
    CountsByTarget each;
    for (const pid_t pid : pids_) each[pid];
    return each;
  }
  void detach() override {}
  std::string overhead_note() const override {
    return "no probe attached: the target runs undisturbed, nothing is counted";
  }

 private:
  std::vector<pid_t> pids_;
  ProcessWatches watches_;
};

}  // namespace

std::unique_ptr<Source> make_uncounted_source() { return std::make_unique<UncountedSource>(); }

}  // namespace netpoll::probes
