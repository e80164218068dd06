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

struct Place {
  std::string path;
  std::uint64_t offset = 0;
};

// The file that address was mapped from.
std::optional<Place> place_of(std::uintptr_t address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t begin = 0, end = 0, offset = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &begin, &end, &offset) != 3) continue;
    const std::size_t path = line.find('/');
    if (address < begin || address >= end || path == std::string::npos) continue;
    return Place{line.substr(path), offset + (address - begin)};
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> try_usdt() {
  const auto place = place_of(reinterpret_cast<std::uintptr_t>(&trial_function));
  if (!place) return Error(ErrorKind::kNotSupported, "our own program is not a file");
  const UprobeKind kind = best_uprobe_kind();
  const LibbpfLog log;
  const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  if (kind == UprobeKind::kMulti) options.expected_attach_type = static_cast<bpf_attach_type>(kUprobeMulti);
  const Fd program(bpf_prog_load(BPF_PROG_TYPE_KPROBE, "netpoll_try", "GPL", nothing, 2, &options));
  if (!program.valid()) return bpf_error("load a BPF program", -errno, log);
  auto links = UsdtLinks::attach(program.get(), kind, ::getpid(), place->path, {{place->offset, 0, 0}});
  if (!links) return std::move(links).error();
  return std::string(kind == UprobeKind::kMulti ? "one link for all probes" : "one perf event per probe");
}

}  // namespace netpoll::probes
