// --tracks: which groups of tracks a drawn trace has.
#pragma once

#include <string>
#include <vector>

#include "cli/flags.h"
#include "exporters/exporter.h"
#include "netpoll/result.h"

namespace netpoll::cli {

void add_tracks_option(Flags& flags, std::vector<std::string>& tracks);
// All of them where none is named. kInvalid for an unknown word.
Result<exporters::TimelineTracks> parse_tracks(const std::vector<std::string>& tracks);

}  // namespace netpoll::cli
