// The version, from the build.
#include "cli/version.h"

namespace netpoll::cli {

std::string_view version() { return NETPOLL_VERSION; }

}  // namespace netpoll::cli
