// The makers of all formats, make_NAME for each row of formats.def; each is defined in NAME_exporter.cc.
#pragma once

#include <memory>

#include "exporters/exporter.h"

namespace netpoll::exporters {

#define NETPOLL_FORMAT(name, accepts, form, summary) \
  std::unique_ptr<Exporter> make_##name(Destination& out, const ExportOptions& options);
#include "exporters/formats.def"
#undef NETPOLL_FORMAT

}  // namespace netpoll::exporters
