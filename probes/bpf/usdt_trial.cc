// Attaches to a function of ours and calls it.
#include "probes/bpf/usdt_trial.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <optional>

#include "probes/bpf/libbpf_log.h"
#include "probes/bpf/uprobe_multi.h"
#include "probes/bpf/usdt_links.h"

namespace netpoll::probes {
namespace {

// What the trial attaches to. Never called.
__attribute__((noinline, used)) void trial_function() { __asm__ volatile("nop"); }

// Where in the program's file the code at address lies.
std::optional<std::uint64_t> file_offset_of(std::uintptr_t address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t begin = 0, end = 0, offset = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &begin, &end, &offset) != 3) continue;
    if (address >= begin && address < end) return offset + (address - begin);
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> try_usdt() {
  const auto offset = file_offset_of(reinterpret_cast<std::uintptr_t>(&trial_function));
  if (!offset) return Error(ErrorKind::kNotSupported, "our own program is not in /proc/self/maps");
  const UprobeKind kind = best_uprobe_kind();
  const LibbpfLog log;
  const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  if (kind == UprobeKind::kMulti) options.expected_attach_type = static_cast<bpf_attach_type>(kUprobeMulti);
  const Fd program(bpf_prog_load(BPF_PROG_TYPE_KPROBE, "netpoll_try", "GPL", nothing, 2, &options));
  if (!program.valid()) return bpf_error("load a BPF program", -errno, log);
  // By this name and not by its path: that may lead through folders which a user who was given the capabilities, and
  // nothing else, may not enter.
  auto links = UsdtLinks::attach(program.get(), kind, ::getpid(), "/proc/self/exe", {{*offset, 0, 0}});
  if (!links) return std::move(links).error();
  return std::string(kind == UprobeKind::kMulti ? "one link for all probes" : "one perf event per probe");
}

}  // namespace netpoll::probes
