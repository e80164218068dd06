// The back ends that count on Linux.
#include "cli/options.h"

namespace netpoll::cli {

const std::vector<std::string>& counting_backends() {
  static const std::vector<std::string> names = {"auto", "ebpf", "perf", "ptrace", "self", "none"};
  return names;
}

}  // namespace netpoll::cli
