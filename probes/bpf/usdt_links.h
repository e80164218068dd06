// UsdtLinks: a BPF program attached to USDT sites of one executable.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::probes {

// A site to attach to, and the number that the program reads back with bpf_get_attach_cookie.
struct UsdtAttachment {
  std::uint64_t offset = 0;            // of the instruction, in the file
  std::uint64_t semaphore_offset = 0;  // 0: none
  std::uint64_t cookie = 0;
};

// One that the kernel did not take, by its cookie.
struct UsdtRefusal {
  std::uint64_t cookie;
  Error error;
};

// How the kernel attaches a program to several places. The program must have been loaded for the one that is used.
enum class UprobeKind {
  kMulti,   // one link for all sites (Linux 6.6): attaching and leaving take as long for fifty sites as for one
  kSingle,  // a perf event of the uprobe source per site, each of which takes 60-80 ms to close
};

// The best kind that works here, found by trying. Without the privileges for either, kSingle.
UprobeKind best_uprobe_kind();

// Owns its links. The kernel raises the semaphores while a link lives. Neither kind needs tracefs. Not thread-safe.
class UsdtLinks {
 public:
  UsdtLinks() = default;
  UsdtLinks(UsdtLinks&&) = default;
  UsdtLinks& operator=(UsdtLinks&& other) noexcept;
  // Returns when everything is detached.
  ~UsdtLinks();

  // Attaches the program behind program_fd, of type kprobe, at every site in path, for the process pid alone (0: every
  // process that runs the file). On failure nothing stays; with `refused` there is none, and it gets what was refused.
  static Result<UsdtLinks> attach(int program_fd, UprobeKind kind, pid_t pid, const std::string& path,
                                  const std::vector<UsdtAttachment>& sites,
                                  std::vector<UsdtRefusal>* refused = nullptr);

  // Starts detaching on threads of its own and returns at once: the kernel removes the breakpoints first, and then
  // waits out grace periods. finish() waits for the end.
  void detach();
  void finish();

 private:
  Result<void> attach_multi(int program_fd, pid_t pid, const std::string& path,
                            const std::vector<UsdtAttachment>& sites);
  Result<void> attach_single(int program_fd, pid_t pid, const std::string& path, const UsdtAttachment& site);

  // Closed in this order: of kSingle, link and event of each site in turn.
  std::vector<Fd> links_;
  std::vector<std::thread> closing_;
};

}  // namespace netpoll::probes
