// Host: the machine that a document is of. One file a system: host_posix.cc, host_windows.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netpoll::cli {

struct Host {
  std::string system;  // "Linux", "Windows", "Darwin", "FreeBSD"
  std::string kernel;  // its release: "6.1.0-18-amd64", "10.0.19041"
  std::string arch;    // "x86_64", "aarch64"
  long cpus = 0;       // that are on
};
Host this_host();

// What main() was given, in UTF-8, argv[0] first.
std::vector<std::string> program_arguments(int argc, char** argv);

// The value of a variable of the environment, in UTF-8; nothing where there is no such variable.
std::optional<std::string> environment_variable(const std::string& name);

// Where programs keep what their users configure, each in a folder of its own, in the order of precedence. What is not
// absolute, or is not there, is to be passed over.
std::vector<std::string> configuration_folders();

// The name of the file that is always empty.
std::string_view null_device();

// Takes the numbers of standard streams that are closed, so that no other file of ours becomes one of them. Using them
// fails as before, and our children find them closed. To be called before anything is opened.
void reserve_standard_streams();

}  // namespace netpoll::cli
