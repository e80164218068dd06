// In place of ebpf_source.cc where clang, bpftool or libbpf were missing at build time.
#include "probes/bpf/ebpf_source.h"
#include "probes/bpf/ebpf_stream.h"
#include "probes/bpf/usdt_trial.h"

namespace netpoll::probes {

Result<std::unique_ptr<Source>> make_ebpf_source(const SourceOptions&, const EbpfTuning&) {
  return Error(ErrorKind::kNotSupported, "this build has no eBPF back end")
      .with_hint("install " + ebpf_missing_at_build() + " and build again, or use --backend ptrace");
}

Result<std::unique_ptr<StreamSource>> make_ebpf_stream(const StreamOptions&, std::unique_ptr<GoroutineNames>) {
  return Error(ErrorKind::kNotSupported, "this build has no eBPF back end")
      .with_hint("install " + ebpf_missing_at_build() + " and build again; --backend self streams libruntime programs");
}

Result<std::string> try_usdt() { return Error(ErrorKind::kNotSupported, "this build has no eBPF back end"); }

std::string ebpf_missing_at_build() { return NETPOLL_BPF_MISSING; }

}  // namespace netpoll::probes
