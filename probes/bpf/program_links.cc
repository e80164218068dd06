// Attaches programs by their sections.
#include "probes/bpf/program_links.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <string>

#include "probes/bpf/libbpf_log.h"

namespace netpoll::probes {

Result<void> ProgramLinks::attach(std::span<bpf_program* const> programs) {
  for (bpf_program* program : programs) {
    LibbpfLog log;
    bpf_link* link = bpf_program__attach(program);
    if (link == nullptr) return bpf_error(std::string("attach ") + bpf_program__name(program), -errno, log);
    add(link);
  }
  return {};
}

void ProgramLinks::detach() {
  while (!links_.empty()) {
    bpf_link__destroy(links_.back());
    links_.pop_back();
  }
}

}  // namespace netpoll::probes
