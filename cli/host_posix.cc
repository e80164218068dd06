// Asks uname(2).
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/host.h"

namespace netpoll::cli {

Host this_host() {
  utsname host{};
  ::uname(&host);
  return {
      .system = host.sysname, .kernel = host.release, .arch = host.machine, .cpus = ::sysconf(_SC_NPROCESSORS_ONLN)};
}

std::vector<std::string> program_arguments(int argc, char** argv) { return {argv, argv + argc}; }

}  // namespace netpoll::cli
