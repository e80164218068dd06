// The back ends that --backend offers on Linux.
#include "cli/options.h"

namespace netpoll::cli {

const std::vector<std::string>& backend_choices() {
  static const std::vector<std::string> names = {"auto", "ebpf", "ptrace", "self", "none"};
  return names;
}

}  // namespace netpoll::cli
