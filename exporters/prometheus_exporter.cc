// The format prometheus: a page of metrics in the text 0.0.4, as every version of Prometheus reads it.
#include "exporters/formats.h"
#include "exporters/metrics/exporter.h"

namespace netpoll::exporters {

std::unique_ptr<Exporter> make_prometheus(Destination& out, const ExportOptions&) {
  return make_metrics_exporter(out, prometheus_text);
}

}  // namespace netpoll::exporters
