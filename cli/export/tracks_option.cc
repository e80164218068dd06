// Declares and reads --tracks.
#include "cli/export/tracks_option.h"

#include "cli/spell.h"

namespace netpoll::cli {

void add_tracks_option(Flags& flags, std::vector<std::string>& tracks) {
  flags.list("--tracks", tracks, /*separate=*/true,
             {"Output", "LIST", "Timelines: only these of g, p, m and fd (goroutines, Ps, threads, descriptors)"});
}

Result<exporters::TimelineTracks> parse_tracks(const std::vector<std::string>& tracks) {
  if (tracks.empty()) return exporters::TimelineTracks{};
  exporters::TimelineTracks chosen{.goroutines = false, .ps = false, .threads = false, .fds = false};
  for (const std::string& word : tracks) {
    if (word == "g") {
      chosen.goroutines = true;
    } else if (word == "p") {
      chosen.ps = true;
    } else if (word == "m") {
      chosen.threads = true;
    } else if (word == "fd") {
      chosen.fds = true;
    } else {
      return Error(ErrorKind::kInvalid, "unknown group of tracks \"" + word + "\"")
          .with_hint(did_you_mean(word, {"g", "p", "m", "fd"}, "one of: g p m fd"));
    }
  }
  return chosen;
}

}  // namespace netpoll::cli
