// FlightRecorder: the newest part of a stream, in memory, until somebody wants to see it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <variant>
#include <vector>

#include "exporters/exporter.h"
#include "netpoll/result.h"
#include "netpoll/trace/record.h"

namespace netpoll::cli {

// Bounded by the bytes that its events take; the oldest go first. One thread at a time.
class FlightRecorder {
 public:
  explicit FlightRecorder(std::size_t bytes) : limit_(bytes) {}

  void add(const trace::Record& record);
  void add(const trace::Loss& loss);

  // Writes what is kept, which stays, and behind it `open`, which is under way; meta and totals are the stream's first
  // and last line.
  Result<void> write(exporters::Exporter& out, const exporters::Json& meta, const std::vector<trace::Record>& open,
                     const exporters::Json& totals) const;

  std::uint64_t events() const { return events_; }            // that are kept
  std::uint64_t overwritten() const { return overwritten_; }  // that are not, any more
  std::uint64_t lost() const { return lost_; }                // that the kept part says are missing

 private:
  using Item = std::variant<trace::Record, trace::Loss>;

  static std::size_t size_of(const Item& item);
  void keep(Item item);

  std::size_t limit_;
  std::size_t used_ = 0;
  std::deque<Item> items_;
  std::uint64_t events_ = 0;
  std::uint64_t overwritten_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace netpoll::cli
