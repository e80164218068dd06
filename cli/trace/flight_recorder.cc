// Keeps the newest events.
#include "cli/trace/flight_recorder.h"

#include <utility>

namespace netpoll::cli {

void FlightRecorder::add(const trace::Record& record) {
  ++events_;
  keep(record);
}

void FlightRecorder::add(const trace::Loss& loss) {
  lost_ += loss.count;
  keep(loss);
}

// What it refers to is shared with others, and not counted.
std::size_t FlightRecorder::size_of(const Item& item) {
  const auto* record = std::get_if<trace::Record>(&item);
  return sizeof(Item) + (record != nullptr ? record->ready.capacity() * sizeof(trace::ReadyEntry) : 0);
}

void FlightRecorder::keep(Item item) {
  used_ += size_of(items_.emplace_back(std::move(item)));
  while (used_ > limit_ && items_.size() > 1) {
    const Item& oldest = items_.front();
    used_ -= size_of(oldest);
    if (const auto* loss = std::get_if<trace::Loss>(&oldest)) {
      lost_ -= loss->count;
    } else {
      --events_;
      ++overwritten_;
    }
    items_.pop_front();
  }
}

Result<void> FlightRecorder::write(exporters::Exporter& out, const exporters::Json& meta,
                                   const std::vector<trace::Record>& open, const exporters::Json& totals) const {
  if (auto written = out.begin(meta); !written) return written;
  for (const Item& item : items_) {
    const auto* record = std::get_if<trace::Record>(&item);
    auto written = record != nullptr ? out.event(*record) : out.lost(std::get<trace::Loss>(item));
    if (!written) return written;
  }
  for (const trace::Record& record : open) {
    if (auto written = out.event(record); !written) return written;
  }
  return out.end(totals);
}

}  // namespace netpoll::cli
