// The part of union bpf_attr that creates a uprobe_multi link. Linux 6.6 brought it; the kernel headers and the libbpf
// of Debian 12 are older, so it is spelled out here.
#pragma once

#include <cstdint>

namespace netpoll::probes {

inline constexpr std::uint32_t kUprobeMulti = 48;  // BPF_TRACE_UPROBE_MULTI in include/uapi/linux/bpf.h

// link_create with its member uprobe_multi. Addresses are those of arrays of `count` 64-bit words.
struct UprobeMultiAttr {
  std::uint32_t prog_fd;
  std::uint32_t target_fd;
  std::uint32_t attach_type;
  std::uint32_t link_flags;
  std::uint64_t path;  // of a C string
  std::uint64_t offsets;
  std::uint64_t ref_ctr_offsets;
  std::uint64_t cookies;
  std::uint32_t count;
  std::uint32_t flags;
  std::uint32_t pid;
  std::uint32_t reserved;
};
static_assert(sizeof(UprobeMultiAttr) == 64);

}  // namespace netpoll::probes
