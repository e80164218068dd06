// Subject: what a reader of goroutines reads from. A live process is one, a core file is another.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/result.h"
#include "probes/process/descriptors/descriptors.h"
#include "probes/process/mappings.h"
#include "probes/process/memory.h"
#include "probes/process/thread_registers.h"

namespace netpoll::probes {

class ElfFiles;  // probes/process/elf/elf_files.h

// A registration of an epoll instance, as /proc/PID/fdinfo/EPFD lists it (proc(5); fs/eventpoll.c, ep_show_fdinfo).
struct Registration {
  int fd = -1;
  std::uint32_t events = 0;
  std::uint64_t data = 0;
  std::optional<std::uint64_t> inode;  // of the registered file, which the number may no longer stand for
};

// The system call that a thread is in.
struct ThreadCall {
  long number = -1;
  std::uint64_t args[6] = {};
};

// Nothing that comes from a Subject can be trusted: it is the target's memory and files. One thread at a time.
class Subject {
 public:
  virtual ~Subject() = default;

  // For messages: "pid 4711", "core.4711".
  virtual std::string name() const = 0;
  // Of a live process; nothing for a core.
  virtual std::optional<pid_t> pid() const = 0;

  virtual Memory& memory() = 0;
  // In order of address. Fixed when the Subject was made.
  virtual const std::vector<Mapping>& mappings() const = 0;
  // What is mapped of files, where that is ELF, as on Linux; else null.
  virtual ElfFiles* elf_files() { return nullptr; }
  virtual std::string executable_path() const = 0;

  // Its epoll descriptors; nothing where that cannot be known (a core without its fdinfo).
  virtual std::optional<std::vector<int>> epoll_descriptors() = 0;
  // Calls visit for each as long as it returns true, the lowest first; false where that cannot be known.
  virtual bool each_epoll_descriptor(const std::function<bool(int)>& visit) {
    const auto found = epoll_descriptors();
    if (!found) return false;
    for (const int fd : *found) {
      if (!visit(fd)) break;
    }
    return true;
  }
  // One moment's list of one of them. The kernel holds the instance's lock while it writes it: ask once.
  virtual std::optional<std::vector<Registration>> registrations(int epfd) = 0;
  // That describe() will be called soon, and once: what takes long may be read meanwhile.
  virtual void expect_describe() {}
  virtual Descriptors describe(const std::vector<int>& fds, Ends ends) = 0;

  // The target's CLOCK_MONOTONIC now; nothing after its death.
  virtual std::optional<std::int64_t> monotonic_now() = 0;
  // Nothing when the thread runs, or that cannot be known.
  virtual std::optional<ThreadCall> thread_call(pid_t tid) = 0;
  // Those that are known by their ids; empty where none are.
  virtual std::vector<pid_t> threads() { return {}; }
  // Nothing when the thread runs, or that cannot be known.
  virtual std::optional<ThreadRegisters> thread_registers(pid_t /*tid*/) { return std::nullopt; }

  // What the lists of registrations are: "epoll", the kernel's own, or "fdinfo", written down before the death.
  virtual std::string_view interest_source() const { return "epoll"; }
};

// A live process. kNotFound, kPermission: as process_error (memory.h).
Result<std::unique_ptr<Subject>> make_live_subject(pid_t pid);

}  // namespace netpoll::probes
