// Results, snapshots and traces as pages of metrics.
#include "exporters/metrics/exporter.h"

#include "exporters/metrics/families.h"
#include "exporters/pages/member.h"
#include "exporters/snapshot_document.h"

namespace netpoll::exporters {
namespace {

class MetricsExporter : public Exporter {
 public:
  MetricsExporter(Destination& out, MetricsText text) : out_(out), text_(text) {}

  Result<void> result(const Json& document) override {
    MetricFamilies figures = result_families(document);
    if (figures.empty()) {
      return Error(ErrorKind::kNotSupported, "there are no metrics in this result")
          .with_hint("results of run and stat, snapshots and traces have some; -f json shows everything");
    }
    MetricFamilies families = head(document);
    for (MetricFamily& family : figures) families.push_back(std::move(family));
    return write(families);
  }

  Result<void> snapshot(const SnapshotDocument& document) override {
    MetricFamilies families = head(document.head);
    for (MetricFamily& family : snapshot_families({&document.snapshot, 1})) families.push_back(std::move(family));
    return write(families);
  }

  Result<void> begin(const Json& meta) override {
    meta_ = meta;
    return {};
  }
  Result<void> event(const trace::Record& record) override {
    events_.event(record);
    return {};
  }
  Result<void> lost(const trace::Loss& loss) override {
    events_.lost(loss);
    return {};
  }
  Result<void> end(const Json& totals) override {
    MetricFamilies families = head(meta_);
    families.push_back(MetricFamily{
        "netpoll_trace_complete",
        MetricType::kGauge,
        MetricUnit::kNone,
        "Whether the trace has its end; 0: it was cut off, and counts are those of its beginning.",
        {}}.add({}, totals.value("cut_short", false) ? 0 : 1));
    families.push_back(events_.events());
    for (MetricFamily& family : events_.waits()) families.push_back(std::move(family));
    families.push_back(events_.losses());
    return write(families);
  }

 private:
  // Whose figures, and made by whom. The target is no label of each sample: there is one a page.
  static MetricFamilies head(const Json& document) {
    MetricFamilies families;
    const Json& version = at(document, {"tool", "version"});
    if (version.is_string()) families.push_back(build_family(version.get<std::string>()));
    const Json& target = at(document, {"target"});
    if (!target.is_object()) return families;
    MetricLabels labels;
    const Json& pid = at(target, {"pid"});
    const Json& comm = at(target, {"comm"});
    if (is_count(pid)) labels.emplace_back("pid", std::to_string(pid.get<std::uint64_t>()));
    if (comm.is_string()) labels.emplace_back("comm", comm.get<std::string>());
    families.push_back(
        MetricFamily{"netpoll_target", MetricType::kInfo, MetricUnit::kNone, "Who was observed.", {}}.add(
            std::move(labels), 1));
    return families;
  }

  Result<void> write(const MetricFamilies& families) { return out_.write(text_(families)); }

  Destination& out_;
  MetricsText text_;
  EventFamilies events_;
  Json meta_;
};

}  // namespace

std::unique_ptr<Exporter> make_metrics_exporter(Destination& out, MetricsText text) {
  return std::make_unique<MetricsExporter>(out, text);
}

}  // namespace netpoll::exporters
