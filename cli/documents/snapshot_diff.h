// What changed between an earlier snapshot, as its document tells it, and this one.
#pragma once

#include "exporters/exporter.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// Compares the goroutines that document shows with those that base, a document of the kind snapshot, has:
// {base_started_at, same_process, appeared, stayed, went, functions}. The first two lists are goids of document, the
// third holds the goroutines of base that are shown no more; they are null when base was another process, whose goids
// mean nothing here. functions counts goroutines by what they run, without the numbers of closures:
// [{function, base, head, delta}], what grew most first. kInvalid: base is no snapshot.
Result<exporters::Json> snapshot_diff(const exporters::Json& base, const exporters::SnapshotDocument& document);

}  // namespace netpoll::cli
