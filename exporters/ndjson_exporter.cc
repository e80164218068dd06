// The format ndjson: a line for what is known of the whole, one for each goroutine, event or interval, and one that
// says that it is whole.
#include <string>
#include <utility>

#include "exporters/events/line_exporter.h"
#include "exporters/events/words.h"
#include "exporters/formats.h"
#include "exporters/goroutines/document.h"
#include "exporters/long_document.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

class NdjsonExporter : public LineExporter, public LongDocumentSink {
 public:
  explicit NdjsonExporter(Destination& out) : LineExporter(out, kPiece) {}

  Result<void> snapshot(const SnapshotDocument& document) override {
    Json meta = {{"type", "meta"}};
    meta.update(snapshot_head(document));
    std::string text = to_line(meta);
    GoroutineText goroutines(document, Layout::kLine);
    for (const std::uint32_t index : document.shown) {
      goroutines.append(text, document.snapshot.goroutines.at(index));
      text += '\n';
      if (text.size() < kPiece) continue;
      if (auto written = out_.write(text); !written) return written;
      text.clear();
    }
    text += to_line({{"type", "end"},
                     {"goroutines", document.shown.size()},
                     {"total", document.snapshot.goroutines.size()},
                     {"inconsistent", document.snapshot.inconsistent}});
    return out_.write(text);
  }

  Result<void> interval(const Json& head, const Json& interval) override {
    if (auto begun = begin_result(head); !begun) return begun;
    Json line = {{"type", "interval"}};
    line.update(interval);
    return out_.write(to_line(line));
  }
  bool writes_intervals() const override { return true; }

  // The last line has what the first could not know; intervals were lines of their own. Several results have both,
  // each.
  Result<void> result(const Json& document) override {
    const Json head = head_of(document);
    if (auto begun = begin_result(head); !begun) return begun;
    begun_ = false;
    return out_.write(to_line(last_line(document, head)));
  }

  Result<void> long_result(const LongDocument& document) override {
    const Json head = head_of(document.head);
    if (auto begun = begin_result(head); !begun) return begun;
    begun_ = false;
    return write_document(out_, {last_line(document.head, head), document.lists}, Layout::kLine);
  }

  Result<void> long_head(const LongDocument& head) override {
    if (std::exchange(begun_, true)) return {};
    LongDocument line{{{"type", "meta"}}, head.lists};
    line.head.update(head.head);
    return write_document(out_, line, Layout::kLine);
  }

  Result<void> begin(const Json& meta) override {
    Json line = {{"type", "meta"}};
    line.update(meta);
    return out_.write(to_line(line));
  }

  // By hand: a stream has several hundred thousand events a second, and a Json of each costs more than all the rest.
  Result<void> event(const trace::Record& record) override {
    text_ += R"({"type":"event","time_ns":)";
    append_unsigned(text_, record.time_ns);
    put("kind", trace::record_kind_name(record.kind));
    put("name", record.name);
    number("cpu", record.cpu);
    number("pid", record.pid);
    number("tid", record.tid);
    if (record.goid != 0) number("goid", static_cast<std::int64_t>(record.goid));
    put_labels(record);
    put_args(record);
    if (record.takes_time()) {
      optional("duration_ns", record.duration_ns);
      if (record.before_ns) optional("before_ns", record.before_ns);
      if (record.unfinished) text_ += R"(,"unfinished":true)";
    }
    put_result(record);
    if (record.fd >= 0) number("fd", record.fd);
    if (record.fd >= 0 && record.endpoint) {
      put_or_null("fd_kind", record.endpoint->kind);
      put_or_null("local", record.endpoint->local);
      put_or_null("peer", record.endpoint->peer);
    }
    put_ready(record);
    if (record.step != trace::Step::kNone) put("step", trace::step_name(record.step));
    if (record.network_wait_ns) optional("network_wait_ns", record.network_wait_ns);
    if (record.cpu_wait_ns) optional("cpu_wait_ns", record.cpu_wait_ns);
    text_ += "}\n";
    return line_ended();
  }

  Result<void> lost(const trace::Loss& loss) override {
    text_ += to_line({{"type", "lost"},
                      {"time_ns", loss.time_ns},
                      {"count", loss.count},
                      {"cpu", loss.cpu >= 0 ? Json(loss.cpu) : Json(nullptr)},
                      {"where", std::string(loss.where)}});
    return {};
  }

  // A copy of a trace that was cut short has no last line either.
  Result<void> end(const Json& totals) override {
    if (totals.value("cut_short", false)) return flush();
    Json line = {{"type", "end"}};
    line.update(totals);
    text_ += to_line(line);
    return flush();
  }

 private:
  static Json head_of(const Json& document) {
    Json head = Json::object();
    for (const char* name : {"schema", "tool", "host", "started_at", "target", "targets", "command"}) {
      if (document.contains(name)) head[name] = document[name];
    }
    return head;
  }

  static Json last_line(const Json& document, const Json& head) {
    Json line = {{"type", "end"}};
    for (const auto& [name, value] : document.items()) {
      if (!head.contains(name) && name != "intervals") line[name] = value;
    }
    return line;
  }

  Result<void> begin_result(const Json& head) {
    if (begun_) return {};
    begun_ = true;
    return begin(head);
  }

  static constexpr std::size_t kPiece = 1 << 20;

  void key(std::string_view name) { text_.append(",\"").append(name).append("\":"); }
  // Words of ours, which need no escapes.
  void put(std::string_view name, std::string_view word) {
    key(name);
    text_.append(1, '"').append(word).append(1, '"');
  }
  void number(std::string_view name, std::int64_t value) {
    key(name);
    append_number(text_, value);
  }
  void optional(std::string_view name, const std::optional<std::uint64_t>& value) {
    key(name);
    if (value) {
      append_unsigned(text_, *value);
    } else {
      text_ += "null";
    }
  }
  void put_or_null(std::string_view name, const std::string& text) {
    key(name);
    if (text.empty()) {
      text_ += "null";
    } else {
      append_string(text_, text);
    }
  }

  void put_labels(const trace::Record& record) {
    if (!record.labels) return;
    key("labels");
    text_ += '{';
    bool first = true;
    for (const auto& [name, value] : *record.labels) {
      if (!first) text_ += ',';
      first = false;
      append_string(text_, name);
      text_ += ':';
      append_string(text_, value);
    }
    text_ += '}';
  }

  void put_args(const trace::Record& record) {
    key("args");
    text_ += '{';
    for (std::size_t i = 0; i < record.argc; ++i) {
      const trace::Arg& arg = record.args.at(i);
      if (i != 0) text_ += ',';
      text_.append(1, '"').append(arg.name).append("\":");
      switch (arg.form) {
        case trace::ArgForm::kNumber:
        case trace::ArgForm::kFd:
        case trace::ArgForm::kMilliseconds:
        case trace::ArgForm::kNanoseconds:
          append_number(text_, arg.value);
          break;
        case trace::ArgForm::kPollEvents:
          put_events(static_cast<std::uint32_t>(arg.value));
          break;
        case trace::ArgForm::kHex:
        case trace::ArgForm::kCtlOp:
        case trace::ArgForm::kMode:
        case trace::ArgForm::kText:
          text_ += '"';
          append_arg_value(text_, arg);
          text_ += '"';
          break;
      }
    }
    text_ += '}';
  }

  void put_events(std::uint32_t mask) {
    text_ += '[';
    const std::size_t begin = text_.size();
    for (const std::string& name : poll_event_names(mask)) {
      if (text_.size() != begin) text_ += ',';
      text_.append(1, '"').append(name).append(1, '"');
    }
    text_ += ']';
  }

  void put_result(const trace::Record& record) {
    if (!record.takes_time()) return;
    key("result");
    if (!record.result) {
      text_ += "null";
      return;
    }
    append_number(text_, *record.result);
    if (*record.result < 0 && *record.result >= -4095) put("error", errno_name(static_cast<int>(-*record.result)));
  }

  void put_ready(const trace::Record& record) {
    if (record.ready.empty() && record.ready_omitted == 0) return;
    key("ready");
    text_ += '[';
    bool first = true;
    for (const trace::ReadyEntry& entry : record.ready) {
      text_ += first ? R"({"fd":)" : R"(,{"fd":)";
      first = false;
      if (entry.fd >= 0) {
        append_number(text_, entry.fd);
      } else {
        text_ += "null";
      }
      text_ += R"(,"events":)";
      put_events(entry.events);
      text_ += R"(,"data":")";
      append_hex(text_, entry.data);
      text_ += "\"}";
    }
    text_ += ']';
    if (record.ready_omitted != 0) number("ready_omitted", record.ready_omitted);
  }

  bool begun_ = false;  // a result, of which there were intervals
};

}  // namespace

std::unique_ptr<Exporter> make_ndjson(Destination& out, const ExportOptions&) {
  return std::make_unique<NdjsonExporter>(out);
}

}  // namespace netpoll::exporters
