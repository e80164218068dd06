// The back end `none`: no probe at all. It lets `run` measure throughput and latency with nothing in the way, and is
// the baseline that the other back ends' cost is compared with.
#pragma once

#include <memory>

#include "probes/source.h"

namespace netpoll::probes {

std::unique_ptr<Source> make_uncounted_source();

}  // namespace netpoll::probes
