// TraceView: what trace shows of the events of a source.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/compare/condition.h"
#include "cli/emit.h"
#include "cli/trace/flight_recorder.h"
#include "cli/trace/record_filter.h"
#include "cli/trace/trace_summary.h"
#include "netpoll/result.h"
#include "netpoll/trace/record.h"

namespace netpoll::cli {

// The text of --until; nothing for an empty one. kInvalid: an expression that is none, or about what no event has.
Result<std::optional<Condition>> parse_until(const std::string& text);

// What is under way at some moment, past the filter: a call of each thread at most, and operations of io_uring.
class OpenRecords : public trace::Sink {
 public:
  explicit OpenRecords(const RecordFilter& filter) : filter_(filter) {}
  void event(const trace::Record& record) override {
    if (filter_.matches(record)) records_.push_back(record);
  }
  void lost(const trace::Loss& /*loss*/) override {}
  const std::vector<trace::Record>& records() const { return records_; }

 private:
  const RecordFilter& filter_;
  std::vector<trace::Record> records_;
};

// Where the events of a source go: past the filter to the exporter, unless its reader is too slow, or into the
// recorder, or into the summary.
class TraceView : public trace::Sink {
 public:
  TraceView(RecordFilter& filter, Emitter& out, FlightRecorder* recorder, TraceSummary* summary,
            std::optional<Condition> until)
      : filter_(filter), out_(out), recorder_(recorder), summary_(summary), until_(std::move(until)) {}

  void event(const trace::Record& record) override;

  void lost(const trace::Loss& loss) override;

  // After each batch.
  void flush();

  // Whether the reader of our output has yet to take something.
  bool has_backlog() const { return out_.backlog() != 0; }

  void say_what_was_dropped();

  // Whether events go to the exporter one by one.
  bool streams() const { return recorder_ == nullptr && summary_ == nullptr; }
  const FlightRecorder* recorder() const { return recorder_; }
  const TraceSummary* summary() const { return summary_; }
  std::uint64_t shown() const;
  std::uint64_t dropped() const { return dropped_in_all_; }
  bool found() const { return found_; }  // what --until waits for
  // The first error of writing.
  const std::optional<Error>& failed() const { return failed_; }

 private:
  void keep(Result<void> written) {
    if (!written && !failed_) failed_ = std::move(written).error();
  }

  RecordFilter& filter_;
  Emitter& out_;
  FlightRecorder* recorder_;
  TraceSummary* summary_;
  std::optional<Condition> until_;
  bool found_ = false;
  std::uint64_t shown_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t dropped_in_all_ = 0;
  std::uint64_t last_ns_ = 0;
  std::optional<Error> failed_;
};

}  // namespace netpoll::cli
