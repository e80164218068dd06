// The flags of `snapshot` that every system has: which goroutines, how to look at them, and how they are read.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/documents/goroutine_flags.h"
#include "cli/documents/snapshot.h"
#include "cli/emit.h"
#include "cli/flags.h"
#include "cli/options.h"
#include "netpoll/result.h"
#include "probes/goroutines/reader.h"

namespace netpoll::cli {

// What of them is a text until view_of() has made something of it.
struct ViewFlags {
  SnapshotView view;
  GoroutineFlags goroutines;
  std::vector<std::string> redact;
  std::string top;
  std::string group_by;
  std::string diff;
  std::string retries;
  bool per_goroutine = false;
  bool go_compat = false;

  // How a document is written.
  exporters::ExportOptions writing(const SnapshotView& view) const;
};

// Borrowed, as by Flags.
void add_view_flags(Flags& flags, ViewFlags& options);

// What the flags mean together. kInvalid: one is malformed, or two exclude each other.
Result<SnapshotView> view_of(const ViewFlags& options);
Result<probes::ReadOptions> read_options_of(const ViewFlags& options);

// Whether a file of the format is one snapshot, and not several behind each other.
bool holds_one(const exporters::Format& format);
// A flag that one format alone knows, given with another.
Result<void> check_formats(const ViewFlags& options, const OutputOptions& output);
// A document or a page for each of several processes: what cannot hold them, or means one of them.
Result<void> check_number(const ViewFlags& options, const OutputOptions& output, std::size_t processes);

}  // namespace netpoll::cli
