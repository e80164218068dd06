// What the formats prometheus and openmetrics have in common: a result, a snapshot or a whole trace as one page, for
// the textfile collector of node_exporter, for pushing, and for promtool.
#pragma once

#include <memory>

#include "exporters/exporter.h"
#include "exporters/metrics/families.h"

namespace netpoll::exporters {

using MetricsText = std::string (*)(std::span<const MetricFamily>);
std::unique_ptr<Exporter> make_metrics_exporter(Destination& out, MetricsText text);

}  // namespace netpoll::exporters
