// Single facts that /proc says of a process, a thread or this machine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netpoll::probes {

// --- the texts, by whoever may have written them
// What /proc/ID/stat says (proc_pid_stat(5)).
struct ProcStat {
  std::string comm;  // any bytes, newlines and parentheses too
  char state = 0;    // 'R', 'S', ...
  pid_t parent = 0;
  unsigned long flags = 0;      // the kernel's PF_*
  std::optional<int> last_cpu;  // nothing in the text of an old kernel
};
// Nothing where the text is not one, or is cut off before the flags.
std::optional<ProcStat> parse_stat(std::string_view text);
// The first number behind "name:" in the text of /proc/ID/status. One that a long cannot hold is none.
std::optional<long> number_in_status(std::string_view text, std::string_view name);
// The same of a set of signals or capabilities, written as 64 bits in hexadecimal: "SigCgt", "CapEff".
std::optional<std::uint64_t> set_in_status(std::string_view text, std::string_view name);
// The last of the numbers behind "NSpid:", where there are several.
std::optional<pid_t> innermost_in_status(std::string_view text);

// --- of a process or thread that there is
// The first number behind "name:" in /proc/ID/status, ID being a process or a thread: status_number(pid, "TracerPid").
std::optional<long> status_number(pid_t id, std::string_view name);
// Likewise the set there: status_set(tid, "SigCgt").
std::optional<std::uint64_t> status_set(pid_t id, std::string_view name);

// The name of a process, at most 15 bytes that it chose itself; empty when it is gone.
std::string comm_of(pid_t pid);

// Where /proc reaches the program that pid runs, through a thread of it that lives (living_thread). For opening.
std::string executable_file(pid_t pid);
// The path of that program as the target sees it; empty for kernel threads and where /proc refuses. A file that is
// gone ends in the kernel's " (deleted)".
std::string executable_link(pid_t pid);
// The same for people, without " (deleted)".
std::string exe_of(pid_t pid);

bool is_kernel_thread(pid_t pid);

// True for a process or thread that has ended and was not reaped; of a process also when its first thread alone has
// ended.
bool is_zombie(pid_t id);

// A thread of the process through which its memory and files are reached, in /proc and by process_vm_readv(2): pid
// itself, or another that lives where the first thread has left (pthread_exit in main), which has neither any more. 0
// when none lives.
pid_t living_thread(pid_t pid);

// The number of a process or thread in its own pid namespace, which is the innermost that it is in. nullopt where it
// has no other than ours, or is gone.
std::optional<pid_t> innermost_id(pid_t id);

// A pid namespace, by the file that stands for it.
struct PidNamespace {
  std::uint64_t device;
  std::uint64_t inode;
};
// Ours; nullopt where that is the initial one, in which numbers of the kernel are ours.
std::optional<PidNamespace> own_pid_namespace();

// All processes of this machine that /proc shows, in no order.
std::vector<pid_t> process_ids();

// 0 when the process is gone, or its parent is out of sight.
pid_t parent_of(pid_t pid);

// The threads of a process; empty when it is gone.
std::vector<pid_t> thread_ids(pid_t pid);

// What the security module Yama says about attaching to processes that are not one's descendants; 0 (the same user may)
// where it is not built in.
int yama_ptrace_scope();

// The CPU that a thread ran on last.
std::optional<int> last_cpu(pid_t tid);

}  // namespace netpoll::probes
