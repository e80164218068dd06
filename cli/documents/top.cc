// One look as JSON.
#include "cli/documents/top.h"

#include <cmath>

#include "cli/documents/envelope.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using exporters::or_null;
using exporters::text_or_null;

// Two decimals: more are not known, and JSON of two looks is compared by eye.
Json rounded(const std::optional<double>& value) {
  return value ? Json(std::round(*value * 100) / 100) : Json(nullptr);
}

void put_rates(Json& json, const std::optional<CallRates>& rates) {
  const auto put = [&](const char* name, double CallRates::*rate) {
    json[name] = rates ? rounded((*rates).*rate) : Json(nullptr);
  };
  put("waits_per_s", &CallRates::waits);
  put("wait_events_per_s", &CallRates::wait_events);
  put("empty_waits_per_s", &CallRates::empty_waits);
  put("epoll_ctl_per_s", &CallRates::epoll_ctl);
  put("io_calls_per_s", &CallRates::io_calls);
}

Json process_json(const TopProcess& process) {
  Json json;
  json["pid"] = process.target.pid;
  json["comm"] = or_null(process.target.comm);
  json["goroutines"] = or_null(process.goroutines);
  json["io_waits"] = or_null(process.io_waits);
  json["registrations"] = or_null(process.registrations);
  json["threads"] = process.threads;
  json["cpu_percent"] = rounded(process.cpu_percent);
  put_rates(json, process.rates);
  return json;
}

Json row_json(const TopRow& row) {
  Json json;
  json["key"] = row.key;
  json["pid"] = or_null(row.pid);
  json["goid"] = or_null(row.goid);
  json["tid"] = or_null(row.tid);
  json["fd"] = or_null(row.fd);
  json["epfd"] = or_null(row.epfd);
  json["count"] = row.count;
  json["delta"] = rounded(row.delta);
  json["wait_ns"] = row.wait_is_at_least ? Json(nullptr) : or_null(row.wait_ns);
  json["wait_at_least_ns"] = row.wait_is_at_least ? or_null(row.wait_ns) : Json(nullptr);
  json["state"] = text_or_null(row.state);
  json["mode"] = text_or_null(row.mode);
  json["local"] = text_or_null(row.local);
  json["peer"] = text_or_null(row.peer);
  json["tcp_state"] = text_or_null(row.tcp_state);
  json["recv_queue_bytes"] = or_null(row.recv_queue_bytes);
  json["send_queue_bytes"] = or_null(row.send_queue_bytes);
  json["queue_bytes"] = or_null(row.queue_bytes());
  json["cpu_percent"] = rounded(row.cpu_percent);
  json["remark"] = text_or_null(row.remark);
  return json;
}

}  // namespace

const char* figure_name(TopFigure figure) {
  switch (figure) {
    case TopFigure::kCount:
      return "count";
    case TopFigure::kQueue:
      return "queue_bytes";
    case TopFigure::kCpu:
      return "cpu_percent";
    case TopFigure::kWait:
      break;
  }
  return "wait_ns";
}

std::optional<std::uint64_t> TopRow::queue_bytes() const {
  if (!recv_queue_bytes && !send_queue_bytes) return std::nullopt;
  return recv_queue_bytes.value_or(0) + send_queue_bytes.value_or(0);
}

Json top_document(const TopDocument& top) {
  Json json = new_document("top", top.taken_at);
  json["target"] = top.processes.size() == 1 ? target_json(top.processes.front().target) : Json(nullptr);
  json["targets"] = Json::array();
  for (const TopProcess& process : top.processes) json["targets"].push_back(target_json(process.target));
  ProbeInfo probe;
  probe.backend = top.backend;
  probe.overhead_note = top.overhead_note;
  probe.notes = top.notes;
  json["probe"] = probe_json(probe);
  json["took_ns"] = top.took.count();
  json["look"] = top.look;
  json["by"] = top.by;
  json["figure"] = figure_name(top.figure);
  json["sort"] = top.sort;
  json["descending"] = top.descending;
  json["filter"] = text_or_null(top.filter);
  json["total"] = top.total;
  json["matching"] = top.matching;
  json["processes"] = Json::array();
  for (const TopProcess& process : top.processes) json["processes"].push_back(process_json(process));
  json["rows"] = Json::array();
  for (const TopRow& row : top.rows) json["rows"].push_back(row_json(row));
  return json;
}

}  // namespace netpoll::cli
