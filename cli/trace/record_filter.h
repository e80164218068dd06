// RecordFilter: which events of a stream are shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "netpoll/result.h"
#include "netpoll/trace/record.h"
#include "probes/stream.h"

namespace netpoll::cli {

// As typed.
struct FilterOptions {
  std::vector<std::string> events;
  std::vector<std::string> fds;
  std::string peer;
  std::string min_latency;
  bool errors = false;
  std::string sample;
};
void add_filter_options(Flags& flags, FilterOptions& options);

class RecordFilter {
 public:
  static Result<RecordFilter> parse(const FilterOptions& options);

  // What a source has to see for it.
  void select(probes::StreamOptions& stream) const;
  // Whether the event is to be shown; counts those that pass all but --sample.
  bool shows(const trace::Record& record);
  // Whether it passes all filters but --sample.
  bool matches(const trace::Record& record) const;

 private:
  EventFilter events_;
  std::vector<int> fds_;
  std::string peer_;
  std::optional<std::uint64_t> min_latency_ns_;
  bool errors_ = false;
  std::uint64_t sample_ = 1;
  std::uint64_t matched_ = 0;
};

}  // namespace netpoll::cli
