// The Subject that is a live process on other systems than Linux: its images and its memory. What its descriptors are,
// and which registrations its poller has, is not asked there.
#include <cerrno>
#include <utility>

#include "libruntime/base/clock.h"
#include "probes/process/images.h"
#include "probes/process/program.h"
#include "probes/process/subject.h"

namespace netpoll::probes {
namespace {

class LiveSubject : public Subject {
 public:
  LiveSubject(pid_t pid, std::unique_ptr<Memory> memory, std::vector<Mapping> mappings)
      : pid_(pid), memory_(std::move(memory)), mappings_(std::move(mappings)) {}

  std::string name() const override { return "pid " + std::to_string(pid_); }
  std::optional<pid_t> pid() const override { return pid_; }
  Memory& memory() override { return *memory_; }
  const std::vector<Mapping>& mappings() const override { return mappings_; }
  std::string executable_path() const override {
    auto program = program_of(pid_);
    return program ? std::move(program->path) : std::string();
  }
  std::optional<std::vector<int>> epoll_descriptors() override { return std::nullopt; }
  std::optional<std::vector<Registration>> registrations(int /*epfd*/) override { return std::nullopt; }
  Descriptors describe(const std::vector<int>& /*fds*/, Ends /*ends*/) override { return {}; }
  // Of a clock that all processes share.
  std::optional<std::int64_t> monotonic_now() override { return base::nanotime(); }
  std::optional<ThreadCall> thread_call(pid_t /*tid*/) override { return std::nullopt; }

 private:
  pid_t pid_;
  std::unique_ptr<Memory> memory_;
  std::vector<Mapping> mappings_;
};

}  // namespace

Result<std::unique_ptr<Subject>> make_live_subject(pid_t pid) {
  if (pid <= 0) return process_error(pid, ESRCH);
  // First, for while it holds the process nobody else gets its number.
  auto memory = make_process_memory(pid);
  auto mappings = read_mappings(pid);
  if (!mappings) return std::move(mappings).error();
  return std::unique_ptr<Subject>(std::make_unique<LiveSubject>(pid, std::move(memory), std::move(*mappings)));
}

// Names of code are in DWARF, for which there is no reader there.
std::optional<symbols::Image> image_at(Subject& /*subject*/, std::uint64_t /*address*/) { return std::nullopt; }

}  // namespace netpoll::probes
