// The document snapshot/v1: a snapshot as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exporters/destination.h"
#include "exporters/json_text.h"
#include "exporters/snapshot_document.h"
#include "netpoll/result.h"

namespace netpoll::exporters {

// The head, and what is true of the snapshot as a whole, without its goroutines.
Json snapshot_head(const SnapshotDocument& document);

// The whole document but for the stacks, which no page shows.
Json snapshot_json(const SnapshotDocument& document);

// Appends goroutines as text, without making a Json of each: a snapshot has many, and their stacks are made of the same
// few frames. Holds the document by reference. One thread at a time.
class GoroutineText {
 public:
  GoroutineText(const SnapshotDocument& document, Layout layout) : document_(document), layout_(layout) {}

  // kDocument: as an element of .goroutines[]; kLine: as a line of NDJSON with its type, without the newline.
  void append(std::string& out, const trace::Goroutine& goroutine);

 private:
  void append_stack(std::string& out, const trace::Goroutine& goroutine);
  const std::string& frame_text(std::uint32_t index);

  const SnapshotDocument& document_;
  Layout layout_;
  std::vector<std::string> frames_;  // by index; empty: not asked for yet
};

// Writes the document snapshot/v1 in pieces.
Result<void> write_snapshot(Destination& out, const SnapshotDocument& document);

}  // namespace netpoll::exporters
