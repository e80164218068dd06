// The page of top: who was looked at, what they do together, and the rows.
#include <string>

#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"

namespace netpoll::exporters {
namespace {

std::string number_text(const Json& value) { return value.is_number() ? compact(value) : ""; }

std::string one_decimal(const Json& value) { return value.is_number() ? fixed(value.get<double>(), 1) : ""; }

// The change of the figure that the document names.
std::string delta_text(const Json& value, const Json& figure) {
  if (!value.is_number() || value == 0) return "";
  const double delta = value.get<double>();
  const double size = delta < 0 ? -delta : delta;
  const auto whole = static_cast<std::uint64_t>(size);
  const std::string text = figure == "wait_ns"       ? human_ns(whole)
                           : figure == "cpu_percent" ? fixed(size, 1)
                                                     : grouped(whole);
  return (delta < 0 ? "-" : "+") + text;
}

std::string processes_text(const Json& document, const ExportOptions& options) {
  Table table;
  table.column("pid", Align::kRight);
  table.column("name", Align::kLeft);
  table.column("goroutines", Align::kRight);
  table.column("IO waits", Align::kRight);
  table.column("registrations", Align::kRight);
  table.column("threads", Align::kRight);
  table.column("cpu %", Align::kRight);
  table.column("waits/s", Align::kRight);
  table.column("events/s", Align::kRight);
  table.column("epoll_ctl/s", Align::kRight);
  table.column("I/O calls/s", Align::kRight);
  for (const Json& p : document["processes"]) {
    table.row({number_text(p["pid"]), word(p["comm"]), count_text(p["goroutines"]), count_text(p["io_waits"]),
               count_text(p["registrations"]), count_text(p["threads"]), one_decimal(p["cpu_percent"]),
               one_decimal(p["waits_per_s"]), one_decimal(p["wait_events_per_s"]), one_decimal(p["epoll_ctl_per_s"]),
               one_decimal(p["io_calls_per_s"])});
  }
  return table.empty() ? "no process is left\n" : table.text(options.color, options.width);
}

std::string rows_text(const Json& document, const ExportOptions& options) {
  const bool several = document["processes"].size() > 1;
  Table table;
  table.column("pid", Align::kRight);
  table.column("goid", Align::kRight);
  table.column("tid", Align::kRight);
  table.column("fd", Align::kRight);
  table.column("count", Align::kRight);
  table.column("delta", Align::kRight);
  table.column("wait", Align::kRight);
  table.column("state", Align::kLeft, Cut::kEnd);
  table.column("mode", Align::kLeft);
  table.column("recvq", Align::kRight);
  table.column("sendq", Align::kRight);
  table.column("cpu %", Align::kRight);
  table.column("tcp", Align::kLeft);
  table.column("peer", Align::kLeft, Cut::kStart);
  // Of a function or a peer, the end tells most.
  const bool keeps_end = document["by"] == "goroutine" || document["by"] == "func";
  table.column("name", Align::kLeft, keeps_end ? Cut::kStart : Cut::kEnd);
  const bool alone = document["by"] == "goroutine" || document["by"] == "thread";
  for (const Json& row : document["rows"]) {
    const std::string wait = ns_text(row["wait_ns"]);
    const std::string least = ns_text(row["wait_at_least_ns"]);
    const std::string remark = word(row["remark"]);
    table.row({several ? number_text(row["pid"]) : "", number_text(row["goid"]), number_text(row["tid"]),
               number_text(row["fd"]), alone ? "" : count_text(row["count"]),
               delta_text(row["delta"], document["figure"]), least.empty() ? wait : least + " +", word(row["state"]),
               word(row["mode"]), count_text(row["recv_queue_bytes"]), count_text(row["send_queue_bytes"]),
               one_decimal(row["cpu_percent"]), word(row["tcp_state"]), word(row["peer"]),
               Cell((remark.empty() ? "" : "[" + remark + "] ") + word(row["key"]),
                    remark.empty() ? Style::kPlain : Style::kWarn)});
  }
  return table.empty() ? "" : "\n" + table.text(options.color, options.width);
}

}  // namespace

std::string top_page(const Json& document, const ExportOptions& options) {
  std::string out = styled(word(document["started_at"]), Style::kBold, options.color) + "  by " + word(document["by"]) +
                    ", " + count_text(document["matching"]) + " rows";
  if (document["rows"].size() < document["matching"]) {
    out += ", of which " + grouped(document["rows"].size()) + " are shown";
  }
  out += "\n" + processes_text(document, options);
  for (const Json& note : at(document, {"probe", "notes"})) out += word(note) + "\n";
  return out + rows_text(document, options) + "\n";
}

}  // namespace netpoll::exporters
