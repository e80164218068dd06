// Host: the machine that a document is of. One file a system: host_posix.cc, host_windows.cc.
#pragma once

#include <string>
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

// Takes the numbers of standard streams that are closed, so that no other file of ours becomes one of them. Using them
// fails as before, and our children find them closed. To be called before anything is opened.
void reserve_standard_streams();

}  // namespace netpoll::cli
