// The format pprof: a gzipped profile for go tool pprof, and whatever else reads such profiles.
#include <string>

#include "exporters/formats.h"
#include "exporters/goroutines/pprof.h"

namespace netpoll::exporters {
namespace {

// The executable, or the name of the process.
std::string program_of(const Json& head) {
  const Json target = head.value("target", Json::object());
  for (const char* name : {"exe", "comm"}) {
    if (target.contains(name) && target.at(name).is_string()) return target.at(name).get<std::string>();
  }
  return "unknown";
}

class PprofExporter : public Exporter {
 public:
  PprofExporter(Destination& out, const ExportOptions& options) : out_(out), options_(options) {}

  Result<void> snapshot(const SnapshotDocument& document) override {
    const PprofOptions options{.program = program_of(document.head),
                               .taken_at = document.taken_at,
                               .everything = options_.everything,
                               .per_goroutine = options_.per_goroutine};
    return out_.write(gzipped(pprof_profile(document.snapshot, document.shown, options)));
  }

 private:
  Destination& out_;
  ExportOptions options_;
};

}  // namespace

std::unique_ptr<Exporter> make_pprof(Destination& out, const ExportOptions& options) {
  return std::make_unique<PprofExporter>(out, options);
}

}  // namespace netpoll::exporters
