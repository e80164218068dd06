// A snapshot document, read back into the records that exporters show.
#pragma once

#include "exporters/snapshot_document.h"

namespace netpoll::cli {

// document: of schema netpoll-trace/snapshot/v1. Members that are missing or of another type are unknown.
exporters::SnapshotDocument snapshot_from_json(const exporters::Json& document);

}  // namespace netpoll::cli
