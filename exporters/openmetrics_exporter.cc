// The format openmetrics: a page of metrics in the text 1.0, with exemplars.
#include "exporters/formats.h"
#include "exporters/metrics/exporter.h"

namespace netpoll::exporters {

std::unique_ptr<Exporter> make_openmetrics(Destination& out, const ExportOptions&) {
  return make_metrics_exporter(out, openmetrics_text);
}

}  // namespace netpoll::exporters
