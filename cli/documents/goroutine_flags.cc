// Declares the flags that choose goroutines, and makes a filter of them.
#include "cli/documents/goroutine_flags.h"

#include <utility>

#include "cli/options.h"
#include "cli/units.h"

namespace netpoll::cli {

void add_goroutine_flags(Flags& flags, GoroutineFlags& texts, GoroutineFilter& filter) {
  const char* which = "Which goroutines";
  flags.text("--min-wait", texts.min_wait, {which, "TIME", "Waiting at least TIME"});
  flags.text("--fd", texts.fd, {which, "FD", "Waiting for this descriptor"});
  flags.text("--peer", filter.peer, {which, "TEXT", "Whose peer's address contains TEXT"});
  flags.text("--local", filter.local, {which, "TEXT", "Whose own address contains TEXT"});
  flags.text("--state", filter.state, {which, "STATE", "In this TCP state, wait reason or status: CLOSE_WAIT"});
  flags.text("--func", filter.function, {which, "TEXT", "With TEXT in a function of its stack, or its creator"});
  flags.list("--label", texts.labels, /*separate=*/false,
             {which, "KEY[=VALUE]", "With this label; several: with all of them"});
  flags.on_off("--no-deadline", filter.no_deadline, {which, "", "In an IO wait that no deadline bounds"});
}

Result<void> understand(const GoroutineFlags& texts, GoroutineFilter& filter) {
  const auto min_wait = optional_duration(texts.min_wait, "--min-wait");
  if (!min_wait) return min_wait.error();
  filter.min_wait = *min_wait;
  if (!texts.fd.empty()) {
    const auto fd = parse_descriptor(texts.fd, "--fd");
    if (!fd) return fd.error();
    filter.fd = *fd;
  }
  for (const std::string& text : texts.labels) {
    auto label = parse_label(text);
    if (!label) return std::move(label).error();
    filter.labels.push_back(std::move(*label));
  }
  return {};
}

}  // namespace netpoll::cli
