// What the descriptors of a process are, by number.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace netpoll::probes {

struct DescriptorInfo {
  std::string_view kind;       // "tcp", "udp", "unix", "pipe", "other"; static storage
  std::string local;           // address, or the link's text ("pipe:[4711]", "anon_inode:[eventfd]")
  std::string peer;            // address of the other side; empty: none known
  std::string_view tcp_state;  // static storage
};

using Descriptors = std::unordered_map<int, DescriptorInfo>;

// Looks up the descriptors with these numbers; repeats are fine. One that is closed, or that we must not look at, is
// missing in the answer; so are the addresses of sockets where the kernel does not tell them.
Descriptors describe_descriptors(pid_t pid, const std::vector<int>& numbers);

}  // namespace netpoll::probes
