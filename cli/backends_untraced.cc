// The back ends that --backend offers where nothing looks into the kernel.
#include "cli/options.h"

namespace netpoll::cli {

const std::vector<std::string>& backend_choices() {
  static const std::vector<std::string> names = {"auto", "self", "none"};
  return names;
}

}  // namespace netpoll::cli
