// Baselines: a folder of results that a head is compared with, one for each thing that is measured and each kind of
// machine it is measured on.
#pragma once

#include <string>

#include "cli/compare/figures.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// The file in folder for results like these: named after the workload or program, the machine's class (architecture and
// number of CPUs), its kernel and the back end, and a hash of all that makes two results comparable. Results that
// compare() would call not comparable have different files.
std::string baseline_path(const std::string& folder, const ResultSet& results);

// Writes the documents of files (those results came from) as one array. Atomic; the folder is made when it is missing.
Result<void> write_baseline(const std::string& path, const std::vector<std::string>& files);

// Whether there is a file.
bool baseline_exists(const std::string& path);

}  // namespace netpoll::cli
