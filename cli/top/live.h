// `top` on a terminal: a thread looks at the processes, so that keys are answered while it does.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "cli/exit_status.h"
#include "cli/system/interrupt.h"
#include "cli/top/model.h"
#include "cli/top/sampler.h"
#include "netpoll/result.h"

namespace netpoll::cli {

struct TopPace {
  std::chrono::nanoseconds interval = std::chrono::seconds(1);
  std::optional<std::uint64_t> looks;  // and then end
  std::optional<std::chrono::nanoseconds> duration;
};

// kInvalid: standard input or output is no terminal.
Result<void> check_terminal();

// first: the look that there is already. Until somebody leaves or interrupts, or pace says so. sampler has been
// started. Errors: those of opening the terminal, and kNotFound when it is gone.
Result<ExitStatus> run_on_terminal(Sampler& sampler, TopModel& model, const TopPace& pace,
                                   std::shared_ptr<const TopSample> first, bool color, Interrupt& interrupt);

}  // namespace netpoll::cli
