// UsdtLinks: BPF programs attached to USDT sites of one executable.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "netpoll/fd.h"
#include "netpoll/result.h"

struct bpf_link;
struct bpf_program;

namespace netpoll::probes {

// A site to attach to, and the number that the program reads back with bpf_get_attach_cookie.
struct UsdtAttachment {
  std::uint64_t offset = 0;
  std::uint64_t semaphore_offset = 0;
  std::uint64_t cookie = 0;
};

// True when the kernel can attach a program to many sites by one link (uprobe_multi, Linux 6.6), found by trying.
// Attaching and leaving then takes as long for fifty sites as for one; each single uprobe costs 60-80 ms to detach.
bool kernel_has_uprobe_multi();

// Owns its links. The kernel raises the semaphores while a link lives. Neither way needs tracefs: both go through the
// uprobe event source. Not thread-safe.
class UsdtLinks {
 public:
  UsdtLinks() = default;
  UsdtLinks(UsdtLinks&& other) noexcept;
  UsdtLinks& operator=(UsdtLinks&& other) noexcept;
  // Returns when everything is detached.
  ~UsdtLinks();

  // Attaches program at every site in path, for the process pid alone (0: every process that runs the file).
  // multi must be kernel_has_uprobe_multi()'s answer that the program was loaded for. On failure nothing stays.
  static Result<UsdtLinks> attach(bpf_program* program, bool multi, pid_t pid, const std::string& path,
                                  const std::vector<UsdtAttachment>& sites);

  // Starts detaching on a thread of its own and returns at once: the kernel removes the breakpoints first, and then
  // waits out grace periods, 20 ms for a multi link and 60-80 ms for each single one. finish() waits for the end.
  void detach();
  void finish();

 private:
  Fd multi_;
  std::vector<bpf_link*> single_;
  std::thread closing_;
};

}  // namespace netpoll::probes
