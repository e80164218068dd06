// The format text: a line for each event of a stream, in the manner of strace.
//
//   0.001234567  4711/4713 G17  read fd=7 (127.0.0.1:80 - 127.0.0.1:51742) count=4096 = 64  <1.20 us>  run: network
//   1.20 ms, CPU 35.0 us
#include <array>
#include <charconv>
#include <string>

#include "exporters/events/line_exporter.h"
#include "exporters/events/words.h"
#include "exporters/formats.h"
#include "exporters/json.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

class TextExporter : public LineExporter {
 public:
  TextExporter(Destination& out, const ExportOptions& options) : LineExporter(out, kPiece), color_(options.color) {}

  Result<void> begin(const Json& meta) override {
    const auto started = meta.find("started_ns");
    if (started != meta.end() && started->is_number_unsigned()) started_ns_ = started->get<std::uint64_t>();
    return {};
  }

  Result<void> event(const trace::Record& record) override {
    append_time(record.time_ns);
    text_ += "  ";
    append_number(text_, record.pid);
    text_ += '/';
    append_number(text_, record.tid);
    if (record.goid != 0) {
      text_ += " G";
      append_unsigned(text_, record.goid);
    }
    append_labels(record);
    text_ += "  ";
    text_ += color_ ? styled(record.name, Style::kBold, color_) : std::string(record.name);
    append_args(record);
    append_result(record);
    append_ready(record);
    if (record.takes_time()) append_duration(record);
    append_step(record);
    text_ += '\n';
    return line_ended();
  }

  Result<void> lost(const trace::Loss& loss) override {
    append_time(loss.time_ns);
    std::string line =
        "  LOST " + grouped(loss.count) + (loss.count == 1 ? " event" : " events") + " (" + std::string(loss.where);
    if (loss.cpu >= 0) line += ", CPU " + std::to_string(loss.cpu);
    text_ += styled(line + ")", Style::kBad, color_);
    text_ += '\n';
    return {};
  }

  Result<void> end(const Json& totals) override {
    const auto figure = [&](const char* name) {
      const auto found = totals.find(name);
      return found != totals.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
    };
    text_ += "--- " + grouped(figure("events")) + " events, " + grouped(figure("lost")) + " lost\n";
    if (totals.value("cut_short", false)) {
      text_ += styled("--- cut short: the trace has no end line, and what followed is missing", Style::kBad, color_);
      text_ += '\n';
    }
    return flush();
  }

 private:
  static constexpr std::size_t kPiece = 1 << 16;

  void append_time(std::uint64_t time_ns) {
    const std::uint64_t since = time_ns >= started_ns_ ? time_ns - started_ns_ : 0;
    append_unsigned(text_, since / 1'000'000'000);
    std::array<char, 10> fraction;
    fraction.fill('0');
    std::array<char, 20> digits;
    const auto size = static_cast<std::size_t>(
        std::to_chars(digits.data(), digits.data() + digits.size(), since % 1'000'000'000).ptr - digits.data());
    for (std::size_t i = 0; i < size; ++i) fraction.at(fraction.size() - size + i) = digits.at(i);
    fraction.front() = '.';
    text_.append(fraction.data(), fraction.size());
  }

  void append_labels(const trace::Record& record) {
    if (!record.labels || record.labels->empty()) return;
    text_ += " {";
    bool first = true;
    for (const auto& [key, value] : *record.labels) {
      if (!first) text_ += ", ";
      first = false;
      text_ += printable(key) + "=" + printable(value);
    }
    text_ += '}';
  }

  void append_args(const trace::Record& record) {
    for (std::size_t i = 0; i < record.argc; ++i) {
      const trace::Arg& arg = record.args.at(i);
      text_ += ' ';
      if (arg.form != trace::ArgForm::kCtlOp && arg.form != trace::ArgForm::kPollEvents) {
        text_ += arg.name;
        text_ += '=';
      }
      append_arg_value(text_, arg);
      if (arg.form == trace::ArgForm::kFd && arg.value == record.fd) append_endpoint(record);
    }
  }

  void append_endpoint(const trace::Record& record) {
    if (!record.endpoint) return;
    const trace::Endpoint& end = *record.endpoint;
    if ((end.local.empty() && end.peer.empty()) || end.kind == "epoll") return;
    text_ += " (" + printable(end.local);
    if (!end.peer.empty()) text_ += (end.local.empty() ? "" : " - ") + printable(end.peer);
    text_ += ')';
  }

  void append_result(const trace::Record& record) {
    if (!record.result) return;
    text_ += " = ";
    if (*record.result >= 0 || *record.result < -4095) {
      append_number(text_, *record.result);
    } else {
      text_ += errno_name(static_cast<int>(-*record.result));
    }
  }

  void append_duration(const trace::Record& record) {
    text_ += record.unfinished ? "  <unfinished" : "  <";
    if (!record.duration_ns) text_ += record.unfinished ? ", began before" : "began before";
    if (const auto ns = record.least_ns()) {
      if (text_.back() != '<') text_ += ", ";
      text_ += (record.before_ns ? ">= " : "") + human_ns(*ns);
    }
    text_ += '>';
  }

  void append_ready(const trace::Record& record) {
    if (record.ready.empty() && record.ready_omitted == 0) return;
    text_ += " {";
    bool first = true;
    for (const trace::ReadyEntry& entry : record.ready) {
      if (!first) text_ += ", ";
      first = false;
      if (entry.fd >= 0) {
        text_ += "fd=";
        append_number(text_, entry.fd);
      } else {
        text_ += "data=";
        append_hex(text_, entry.data);
      }
      text_ += ' ';
      append_poll_events(text_, entry.events);
    }
    if (record.ready_omitted != 0) text_ += ", and " + std::to_string(record.ready_omitted) + " more";
    text_ += '}';
  }

  void append_step(const trace::Record& record) {
    if (record.step == trace::Step::kNone) return;
    text_ += "  ";
    text_ += trace::step_name(record.step);
    if (record.network_wait_ns) text_ += ": network " + human_ns(*record.network_wait_ns);
    if (record.cpu_wait_ns) text_ += (record.network_wait_ns ? ", CPU " : ": CPU ") + human_ns(*record.cpu_wait_ns);
  }

  bool color_;
  std::uint64_t started_ns_ = 0;
};

}  // namespace

std::unique_ptr<Exporter> make_text(Destination& out, const ExportOptions& options) {
  return std::make_unique<TextExporter>(out, options);
}

}  // namespace netpoll::exporters
