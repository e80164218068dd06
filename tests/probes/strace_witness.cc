// Counts calls with strace, for a second opinion.
#include "tests/probes/strace_witness.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/probes/counted_run.h"

namespace netpoll::test {

std::optional<std::map<std::string, StraceRow>> strace_counts(const std::vector<std::string>& argv) {
  char file[] = "/tmp/netpoll-strace-XXXXXX";
  const int fd = ::mkstemp(file);
  if (fd < 0) return std::nullopt;
  ::close(fd);
  std::vector<std::string> command = {"strace", "-c", "-f", "-q", "-o", file};
  command.insert(command.end(), argv.begin(), argv.end());
  const auto output = run_plainly(command);
  // % time, seconds, usecs/call, calls, errors (may be empty), name
  std::map<std::string, StraceRow> rows;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    if (fields.size() < 5 || fields.size() > 6 || fields.back() == "total" || fields.back() == "syscall") continue;
    if (fields[0].find_first_not_of("0123456789.") != std::string::npos) continue;
    StraceRow& row = rows[fields.back()];
    row.calls = std::stoull(fields[3]);
    if (fields.size() == 6) row.errors = std::stoull(fields[4]);
  }
  ::unlink(file);
  if (!output || rows.empty()) return std::nullopt;
  return rows;
}

}  // namespace netpoll::test
