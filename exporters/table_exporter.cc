// The format table: a page for people, of each kind of document its own.
#include <cstdlib>
#include <string>
#include <utility>

#include "exporters/formats.h"
#include "exporters/goroutines/document.h"
#include "exporters/pages/long_epoll.h"
#include "exporters/pages/pages.h"

namespace netpoll::exporters {
namespace {

struct PageRow {
  std::string_view kind;  // "run", as in "netpoll-trace/run/v1"
  std::string (*page)(const Json& document, const ExportOptions& options);
};
constexpr PageRow kPages[] = {
#define NETPOLL_PAGE(kind, page) {#kind, page##_page},
#include "exporters/pages/pages.def"
#undef NETPOLL_PAGE
};

class TableExporter : public Exporter, public LongDocumentSink {
 public:
  TableExporter(Destination& out, const ExportOptions& options) : out_(out), options_(options) {}

  Result<void> result(const Json& document) override {
    const std::string schema = document.value("schema", "");
    for (const PageRow& row : kPages) {
      if (schema == "netpoll-trace/" + std::string(row.kind) + "/v1") return out_.write(row.page(document, options_));
    }
    std::abort();  // a document without a page: the row is missing
  }

  // The interest sets are the one document with long lists.
  Result<void> long_result(const LongDocument& document) override {
    if (document.head.value("schema", "") != "netpoll-trace/epoll/v1") return result(document.whole());
    return out_.write(long_epoll_page(document, options_));
  }

  // Pages of several are set apart by an empty line.
  Result<void> snapshot(const SnapshotDocument& document) override {
    if (std::exchange(begun_, true)) {
      if (auto written = out_.write("\n"); !written) return written;
    }
    return result(snapshot_json(document));
  }

  Result<void> interval(const Json& /*head*/, const Json& interval) override {
    return out_.write(interval.contains("appeared") ? epoll_changes_text(interval) : interval_text(interval, options_));
  }
  bool writes_intervals() const override { return true; }

 private:
  Destination& out_;
  ExportOptions options_;
  bool begun_ = false;
};

}  // namespace

std::unique_ptr<Exporter> make_table(Destination& out, const ExportOptions& options) {
  return std::make_unique<TableExporter>(out, options);
}

}  // namespace netpoll::exporters
