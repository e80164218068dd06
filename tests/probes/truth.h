// What tests/testprogs/known_calls says that it did, and how a measurement differs from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "probes/counts.h"

namespace netpoll::test {

struct Truth {
  probes::Counts counts;        // count, errors, ctl, waits, bytes of all but write, and socket calls
  std::uint64_t uncounted = 0;  // calls that cannot be named, and so must show up as lost
};

// Parses the program's output; the books of several processes are added up. Lines that it does not know are skipped.
Truth parse_truth(const std::string& output);

// One line per figure that differs: "read EAGAIN: 16, not 17". Times, tracepoints and losses are not compared.
std::vector<std::string> differences(const probes::Counts& measured, const probes::Counts& expected);

// What is wrong with the times of measured calls, a line each: every call is in one bucket of its histogram, and their
// sum is what the buckets allow.
std::vector<std::string> faults_of_times(const probes::Counts& measured);

}  // namespace netpoll::test
