// The flags that say which goroutines are shown, for every command that shows some.
#pragma once

#include <string>
#include <vector>

#include "cli/documents/goroutine_filter.h"
#include "cli/flags.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// What of them is a text until understand() has made something of it.
struct GoroutineFlags {
  std::string min_wait;
  std::string fd;
  std::vector<std::string> labels;
};

// --min-wait --fd --peer --local --state --func --label --no-deadline, under "Which goroutines". Both are borrowed, as
// by Flags.
void add_goroutine_flags(Flags& flags, GoroutineFlags& texts, GoroutineFilter& filter);

// Enters what the texts mean into the filter. kInvalid: one of them is malformed.
Result<void> understand(const GoroutineFlags& texts, GoroutineFilter& filter);

}  // namespace netpoll::cli
