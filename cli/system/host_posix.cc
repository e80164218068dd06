// Asks uname(2).
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/system/host.h"

namespace netpoll::cli {

Host this_host() {
  utsname host{};
  ::uname(&host);
  return {
      .system = host.sysname, .kernel = host.release, .arch = host.machine, .cpus = ::sysconf(_SC_NPROCESSORS_ONLN)};
}

std::vector<std::string> program_arguments(int argc, char** argv) { return {argv, argv + argc}; }

void reserve_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // It gets this very number, as those below are taken; and it cannot be used in the direction of the stream.
    [[maybe_unused]] const int taken =
        ::open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC | O_NOCTTY);
  }
}

}  // namespace netpoll::cli
