// An eBPF source, or a visible skip where this user or kernel does not allow one.
#pragma once

#include <memory>

#include "probes/bpf/ebpf_source.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace netpoll::test {

// Null after it noted a skip; fails the test case on any other error.
inline std::unique_ptr<probes::Source> ebpf_or_skip(const probes::SourceOptions& options = {},
                                                    const probes::EbpfTuning& tuning = {}) {
  auto source = probes::make_ebpf_source(options, tuning);
  if (source) return std::move(*source);
  if (source.error().is(ErrorKind::kPermission) || source.error().is(ErrorKind::kNotSupported)) {
    note_skip(source.error().message());
  } else {
    FAIL(source.error().message());
  }
  return nullptr;
}

}  // namespace netpoll::test
