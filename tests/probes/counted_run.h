// Runs a command as the held child of a Source, the way `stat -- CMD` does.
#pragma once

#include <string>
#include <vector>

#include "netpoll/result.h"
#include "probes/launch/child.h"
#include "probes/source.h"

namespace netpoll::test {

struct CountedRun {
  probes::Counts counts;
  std::string output;  // what the command wrote to its standard output
  probes::ChildExit status;
};

// Counts argv from its exec to its end. argv[0] must be a path.
Result<CountedRun> run_counted(probes::Source& source, std::vector<std::string> argv, bool follow_forks);

// Runs argv by itself and returns what it wrote to its standard output.
Result<std::string> run_plainly(std::vector<std::string> argv);

}  // namespace netpoll::test
