#include "probes/none_source.h"

#include "probes/process/watch.h"

namespace netpoll::probes {
namespace {

class NoneSource : public Source {
 public:
  Backend backend() const override { return Backend::kNone; }
  Result<void> attach(const Target& target) override {
    auto watch = ProcessWatch::open(target.pid);
    if (!watch) return std::move(watch).error();
    watch_ = std::move(*watch);
    return {};
  }
  Result<bool> wait(int timeout_ms, int stop_fd) override { return watch_.wait(timeout_ms, stop_fd); }
  Result<Counts> read() override { return Counts{}; }
  void detach() override {}
  std::string overhead_note() const override {
    return "no probe attached: the target runs undisturbed, nothing is counted";
  }

 private:
  ProcessWatch watch_;
};

}  // namespace

std::unique_ptr<Source> make_none_source() { return std::make_unique<NoneSource>(); }

}  // namespace netpoll::probes
