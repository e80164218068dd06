// RestOfSubject: a Subject as another one, but for its memory, which is left to whoever derives from this.
#pragma once

#include "probes/process/subject.h"

namespace netpoll::test {

// real outlives it.
class RestOfSubject : public probes::Subject {
 public:
  explicit RestOfSubject(probes::Subject& real) : real_(real) {}

  std::string name() const override { return real_.name(); }
  std::optional<pid_t> pid() const override { return real_.pid(); }
  const std::vector<probes::Mapping>& mappings() const override { return real_.mappings(); }
  probes::ElfFiles* elf_files() override { return real_.elf_files(); }
  std::string executable_path() const override { return real_.executable_path(); }
  std::optional<std::vector<int>> epoll_descriptors() override { return real_.epoll_descriptors(); }
  std::optional<std::vector<probes::Registration>> registrations(int epfd) override {
    return real_.registrations(epfd);
  }
  probes::Descriptors describe(const std::vector<int>& fds, probes::Ends ends) override {
    return real_.describe(fds, ends);
  }
  std::optional<std::int64_t> monotonic_now() override { return real_.monotonic_now(); }
  std::optional<probes::ThreadCall> thread_call(pid_t tid) override { return real_.thread_call(tid); }

 private:
  probes::Subject& real_;
};

}  // namespace netpoll::test
