// The document snapshot/v1: a snapshot as JSON.
#pragma once

#include "exporters/exporter.h"

namespace netpoll::exporters {

// One goroutine, as in .goroutines[].
Json goroutine_json(const SnapshotDocument& document, const trace::Goroutine& goroutine);

// The head, and what is true of the snapshot as a whole, without its goroutines.
Json snapshot_head(const SnapshotDocument& document);

// The whole document.
Json snapshot_json(const SnapshotDocument& document);

}  // namespace netpoll::exporters
