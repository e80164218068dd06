// The Subject that is a live process: /proc/PID and process_vm_readv(2). Nothing here stops or disturbs it.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <utility>

#include "libruntime/base/epoll_list.h"
#include "probes/process/clock.h"
#include "probes/process/descriptors/own_links.h"
#include "probes/process/descriptors/sockets.h"
#include "probes/process/elf/elf_files.h"
#include "probes/process/proc_status.h"
#include "probes/process/subject.h"

namespace netpoll::probes {
namespace {

class LiveSubject : public Subject, private ElfFiles {
 public:
  LiveSubject(pid_t pid, std::vector<Mapping> mappings)
      : pid_(pid),
        proc_("/proc/" + std::to_string(living_thread(pid))),
        mappings_(std::move(mappings)),
        memory_(make_process_memory(pid)) {}

  std::string name() const override { return "pid " + std::to_string(pid_); }
  std::optional<pid_t> pid() const override { return pid_; }
  Memory& memory() override { return *memory_; }
  const std::vector<Mapping>& mappings() const override { return mappings_; }

  ElfFiles* elf_files() override { return this; }
  Result<ElfFile> open(const Mapping& mapping) override {
    // /proc/PID/root leads through the target's mount namespace. A file that was replaced has another inode.
    auto file = ElfFile::open(proc_ + "/root" + mapping.path);
    if (file && file->inode() != mapping.inode) {
      return Error(ErrorKind::kNotFound, mapping.path + " was replaced since " + name() + " started");
    }
    return file;
  }

  Result<ElfFile> open_executable() override { return ElfFile::open(proc_ + "/exe"); }

  std::string executable_path() const override { return executable_link(pid_); }

  std::optional<std::vector<int>> epoll_descriptors() override { return epoll_descriptors_of(pid_); }
  bool each_epoll_descriptor(const std::function<bool(int)>& visit) override {
    return probes::each_epoll_descriptor(pid_, visit);
  }

  std::optional<std::vector<Registration>> registrations(int epfd) override {
    if (access((proc_ + "/fdinfo/" + std::to_string(epfd)).c_str(), R_OK) != 0) return std::nullopt;
    std::vector<Registration> found;
    base::EpollList list(std::to_string(living_thread(pid_)), epfd);
    while (const auto entry = list.next()) {
      found.push_back({.fd = entry->fd, .events = entry->events, .data = entry->data, .inode = entry->inode});
    }
    return found;
  }

  void expect_describe() override {
    // How many descriptors there are is the size of their folder since Linux 6.2 (fs/proc/fd.c, proc_fd_getattr).
    struct stat folder {};
    if (stat((proc_ + "/fd").c_str(), &folder) != 0 || folder.st_size < OwnLinks::kMany) return;
    sockets_ = std::make_unique<SocketFinder>(pid_);
    sockets_->read_ahead();
  }
  Descriptors describe(const std::vector<int>& fds, Ends ends) override {
    return OwnLinks(pid_, std::move(sockets_)).describe(fds, {}, ends).descriptors;
  }
  std::optional<std::int64_t> monotonic_now() override { return target_monotonic_now(pid_); }

  // "running", or "NUMBER ARG ARG ARG ARG ARG ARG SP PC" (proc_pid_syscall(5)); NUMBER -1: blocked outside of a call.
  std::optional<ThreadCall> thread_call(pid_t tid) override {
    std::ifstream file(proc_ + "/task/" + std::to_string(tid) + "/syscall");
    ThreadCall call;
    if (!(file >> call.number) || call.number < 0) return std::nullopt;
    for (std::uint64_t& arg : call.args) {
      if (!(file >> std::hex >> arg)) return std::nullopt;
    }
    return call;
  }

  std::vector<pid_t> threads() override { return thread_ids(pid_); }
  std::optional<ThreadRegisters> thread_registers(pid_t tid) override {
    return registers_of_thread(living_thread(pid_), tid);
  }

 private:
  pid_t pid_;
  std::string proc_;
  std::vector<Mapping> mappings_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<SocketFinder> sockets_;  // that reads ahead
};

}  // namespace

Result<std::unique_ptr<Subject>> make_live_subject(pid_t pid) {
  if (pid <= 0) return process_error(pid, ESRCH);
  auto mappings = read_mappings(pid);
  if (!mappings) return std::move(mappings).error();
  return std::unique_ptr<Subject>(std::make_unique<LiveSubject>(pid, std::move(*mappings)));
}

}  // namespace netpoll::probes
