// Exporter: one output format. What a command has to show goes through one of these, whatever the format; which formats
// there are, and what each can show, says the table of formats.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/destination.h"
#include "exporters/json_fwd.h"
#include "netpoll/trace/record.h"

namespace netpoll::exporters {

// What there is to show. A format accepts one or several of them.
enum class Content : std::uint8_t {
  kResult = 1,    // one document of figures: run, stat, doctor, ...
  kSnapshot = 2,  // the goroutines of a process or core
  kStream = 4,    // events of a trace, as they come
  kVerdict = 8,   // one document that says whether all is well, point by point: compare
};

// Which groups of tracks a drawn trace has: --tracks.
struct TimelineTracks {
  bool goroutines = true;
  bool ps = true;
  bool threads = true;
  bool fds = true;
};

struct ExportOptions {
  bool color = false;
  bool everything = false;     // also what is the same on both sides, hidden frames, ...
  bool per_goroutine = false;  // formats that count equal goroutines together keep them apart
  bool go_compat = false;      // dumps name no file whose ending the readers of Go's dumps do not know
  std::size_t width = 80;      // columns of a page
  TimelineTracks tracks;
};

struct SnapshotDocument;

// Writes to one Destination, which outlives it and which the caller commits. One thread at a time. A call that the
// format does not accept is a bug of the caller and aborts. Errors are those of writing.
class Exporter {
 public:
  virtual ~Exporter() = default;

  // Of kResult and kVerdict.
  virtual Result<void> result(const Json& document);
  // A figure of a result that is still being measured (stat -i), and what is known of the whole by then. The format of
  // one document leaves it out, since the result has it.
  virtual Result<void> interval(const Json& head, const Json& interval);
  // Whether interval() writes it, so that the result can do without.
  virtual bool writes_intervals() const { return false; }

  virtual Result<void> snapshot(const SnapshotDocument& document);

  // A stream: begin, then events in order of time and losses where they happened, then end with totals. An output
  // without its end is recognisably cut short. meta has started_ns, the time that the first event may have; and all
  // kinds of events with their arguments and units. Events may be kept back until flush() or end().
  virtual Result<void> begin(const Json& meta);
  virtual Result<void> event(const trace::Record& record);
  virtual Result<void> lost(const trace::Loss& loss);
  virtual Result<void> flush();
  virtual Result<void> end(const Json& totals);
};

// A row of the table of formats.
struct Format {
  std::string_view name;     // as in -f NAME
  std::string_view summary;  // one line, for --help and export --list
  std::uint8_t accepts = 0;  // of Content
  bool binary = false;       // not for a terminal, and one document a file
  std::unique_ptr<Exporter> (*make)(Destination& out, const ExportOptions& options) = nullptr;

  bool takes(Content content) const { return (accepts & static_cast<std::uint8_t>(content)) != 0; }
};

// In the order of help texts; the first is the default.
std::span<const Format> formats();
const Format* find_format(std::string_view name);
// The names of those that take content.
std::vector<std::string> format_names(Content content);

}  // namespace netpoll::exporters
