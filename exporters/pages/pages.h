// The pages of the format table: each kind of document as text, made from the document alone, so that a saved one reads
// the same. Figures that are unknown are left out. Foreign strings are made printable.
#pragma once

#include <string>

#include "exporters/exporter.h"

namespace netpoll::exporters {

#define NETPOLL_PAGE(kind, page) std::string page##_page(const Json& document, const ExportOptions& options);
#include "exporters/pages/pages.def"
#undef NETPOLL_PAGE

// One line for an interval of stat -i: "0.0-1.0 s  epoll_wait 1,204  read 2,400 (EAGAIN 1,200)"; below it the table of
// its groups, where it has some, and an empty line.
std::string interval_text(const Json& interval, const ExportOptions& options);
// What `epoll --watch` saw change.
std::string epoll_changes_text(const Json& changes);

}  // namespace netpoll::exporters
