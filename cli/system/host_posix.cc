// Asks uname(2).
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/system/host.h"

namespace netpoll::cli {

Host this_host() {
  utsname host{};
  ::uname(&host);
  return {
      .system = host.sysname, .kernel = host.release, .arch = host.machine, .cpus = ::sysconf(_SC_NPROCESSORS_ONLN)};
}

std::vector<std::string> program_arguments(int argc, char** argv) { return {argv, argv + argc}; }

std::optional<std::string> environment_variable(const std::string& name) {
  const char* const text = std::getenv(name.c_str());
  return text != nullptr ? std::optional<std::string>(text) : std::nullopt;
}

// As the XDG Base Directory Specification has it, and behind it the machine's.
std::vector<std::string> configuration_folders() {
  std::string own = environment_variable("XDG_CONFIG_HOME").value_or("");
  if (own.empty()) own = environment_variable("HOME").value_or("") + "/.config";
  return {own, "/etc"};
}

std::string_view null_device() { return "/dev/null"; }

void reserve_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // It gets this very number, as those below are taken; and it cannot be used in the direction of the stream.
    [[maybe_unused]] const int taken =
        ::open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC | O_NOCTTY);
  }
}

}  // namespace netpoll::cli
