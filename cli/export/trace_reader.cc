// Reads lines, and makes records of them without building a document of each.
#include "cli/export/trace_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "cli/json_events.h"
#include "exporters/events/words.h"
#include "exporters/json.h"
#include "netpoll/trace/event.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

constexpr std::size_t kPiece = 1 << 20;
// A wait may report thousands of descriptors; a meta line may name thousands of targets.
constexpr std::size_t kLongestLine = 16 << 20;
// Of events, arguments and places, which are words of ours.
constexpr std::size_t kMostNames = 1 << 12;
// Endpoints and labels that are remembered, so that equal ones are shared.
constexpr std::size_t kRemembered = 1 << 12;

Error invalid(std::string message, std::string hint = {}) {
  Error error(ErrorKind::kInvalid, std::move(message));
  return hint.empty() ? error : std::move(error).with_hint(std::move(hint));
}

Error unreadable(const std::string& name, int err) {
  std::array<char, 128> reason{};
  return invalid("cannot read " + name + ": " + ::strerror_r(err, reason.data(), reason.size()));
}

}  // namespace

Result<LineFile> LineFile::open(const std::string& path) {
  LineFile file;
  file.name_ = path == "-" ? "standard input" : path;
  file.fd_ = path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (file.fd_ < 0) return unreadable(file.name_, errno);
  return file;
}

LineFile::LineFile(LineFile&& other) noexcept
    : name_(std::move(other.name_)),
      fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      searched_(other.searched_),
      at_end_(other.at_end_),
      number_(other.number_) {}

LineFile::~LineFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<bool> LineFile::next(Line& line) {
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched_);
    if (end != std::string::npos) {
      line = {std::string_view(buffer_).substr(begin_, end - begin_), true};
      begin_ = searched_ = end + 1;
      ++number_;
      return true;
    }
    searched_ = buffer_.size();
    if (at_end_) {
      if (begin_ == buffer_.size()) return false;
      line = {std::string_view(buffer_).substr(begin_), false};
      begin_ = buffer_.size();
      ++number_;
      return true;
    }
    if (buffer_.size() - begin_ > kLongestLine) {
      return invalid(name_ + " line " + std::to_string(number_ + 1) + " is longer than " +
                         std::to_string(kLongestLine >> 20) + " MiB",
                     "it is no file of netpoll-trace");
    }
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
    const std::size_t kept = buffer_.size();
    buffer_.resize(kept + kPiece);
    ssize_t n = -1;
    do {
      n = ::read(fd_, buffer_.data() + kept, kPiece);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return unreadable(name_, errno);
    buffer_.resize(kept + static_cast<std::size_t>(n));
    at_end_ = n == 0;
  }
}

// The events of lines: a parser that is told of values as they come, and fills in a record.
class TraceReader::Lines : public nlohmann::json_sax<Json> {
 public:
  Lines(LineFile& file, const Json& meta) : file_(file) {
    const auto events = meta.find("events");
    if (events == meta.end() || !events->is_array()) return;
    for (const Json& event : *events) {
      if (!event.is_object() || !event.contains("name") || !event.at("name").is_string()) continue;
      if (!event.contains("args") || !event.at("args").is_object()) continue;
      const std::string* name = intern(event.at("name").get_ref<const std::string&>());
      if (name == nullptr) return;
      auto& forms = forms_[*name];
      for (const auto& [arg, unit] : event.at("args").items()) {
        const std::string* of = intern(arg);
        if (of == nullptr) return;
        if (unit.is_string()) forms[*of] = exporters::arg_form_of(unit.get_ref<const std::string&>());
      }
    }
  }

  Result<Json> read(Sink& sink) {
    LineFile::Line line;
    std::uint64_t events = 0;
    std::uint64_t lost = 0;
    std::optional<Json> end;
    while (!sink.stop()) {
      auto more = file_.next(line);
      if (!more) return std::move(more).error();
      if (!*more) break;
      if (line.text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      if (end) return wrong("there is something behind the line that ends the trace");
      constexpr std::string_view kEvent = R"({"type":"event",)";
      bool is_event = line.text.starts_with(kEvent);
      Json json;
      if (!is_event) {
        json = exporters::parse_json(line.text);
        if (json.is_discarded()) {
          if (!line.whole) break;  // cut inside of a line
          return wrong("not JSON");
        }
        const auto type = json.is_object() ? json.find("type") : json.end();
        if (!json.is_object() || type == json.end() || !type->is_string()) return wrong("a line without a type");
        is_event = *type == "event";
        if (*type == "lost") {
          const auto loss = loss_of(json);
          lost += loss.count;
          sink.lost(loss);
        } else if (*type == "end") {
          json.erase("type");
          end = std::move(json);
        } else if (!is_event) {
          // What a later minor version adds is passed over; a second trace is not.
          if (*type == "meta") return wrong("another trace begins here");
        }
      }
      if (!is_event) continue;
      begin_record();
      const bool parsed = parser_.parse(line.text, *this);
      if (!parsed && !line.whole && failure_.empty()) break;
      if (!parsed) return wrong(failure_.empty() ? "not JSON" : failure_);
      if (record_.name.empty()) return wrong("an event without a name");
      finish_record();
      ++events;
      sink.event(record_);
    }
    if (end) return *std::move(end);
    return Json{{"events", events}, {"lost", lost}, {"cut_short", true}};
  }

  bool null() override { return value_of_nothing(); }
  bool boolean(bool value) override {
    if (depth_ == 1 && key_ == "unfinished") record_.unfinished = value;
    return true;
  }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override { return number(static_cast<std::int64_t>(value)); }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool string(string_t& value) override;
  bool start_object(std::size_t) override {
    ++depth_;
    if (depth_ == 3 && place_ == Place::kReady) record_.ready.emplace_back();
    if (depth_ == 2) enter();
    return true;
  }
  bool end_object() override {
    if (--depth_ == 1) place_ = Place::kTop;
    return true;
  }
  bool start_array(std::size_t) override {
    ++depth_;
    if (depth_ == 2) enter();
    if (depth_ == 3 && place_ == Place::kArgs) {
      trace::Arg* arg = new_arg(trace::ArgForm::kPollEvents);
      if (arg == nullptr) return false;
      arg->form = trace::ArgForm::kPollEvents;
    }
    return true;
  }
  bool end_array() override { return end_object(); }
  bool key(string_t& name) override {
    if (depth_ == 1 || depth_ == 3) {
      key_ = name;
    } else {
      member_ = name;
    }
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  enum class Place : std::uint8_t { kTop, kArgs, kLabels, kReady, kUnknown };

  Error wrong(const std::string& what) const {
    return invalid(file_.name() + " line " + std::to_string(file_.number()) + ": " + what,
                   "a trace is written by: netpoll-trace trace -f ndjson -o FILE");
  }

  const std::string* intern(const std::string& name) {
    if (const auto known = names_.find(name); known != names_.end()) return &*known;
    if (names_.size() >= kMostNames) {
      failure_ = "more different names than any trace has";
      return nullptr;
    }
    return &*names_.insert(name).first;
  }

  trace::Loss loss_of(const Json& json) {
    trace::Loss loss;
    const auto number = [&](const char* name, std::uint64_t otherwise) {
      const auto found = json.find(name);
      return found != json.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : otherwise;
    };
    loss.time_ns = number("time_ns", 0);
    loss.count = number("count", 0);
    const std::uint64_t cpu = number("cpu", UINT64_MAX);
    loss.cpu = cpu <= INT32_MAX ? static_cast<int>(cpu) : -1;
    const auto where = json.find("where");
    const std::string* name = where != json.end() && where->is_string() ? intern(where->get<std::string>()) : nullptr;
    loss.where = name != nullptr ? std::string_view(*name) : "unknown";
    return loss;
  }

  void begin_record() {
    auto ready = std::move(record_.ready);
    ready.clear();
    record_ = {};
    record_.ready = std::move(ready);
    depth_ = 0;
    place_ = Place::kTop;
    endpoint_ = {};
    has_endpoint_ = false;
    labels_.clear();
    has_labels_ = false;
    forms_of_ = nullptr;
    failure_.clear();
  }

  void finish_record() {
    if (has_endpoint_ && record_.fd >= 0) {
      auto& known = endpoints_[record_.fd];
      const bool same =
          known && known->kind == endpoint_.kind && known->local == endpoint_.local && known->peer == endpoint_.peer;
      if (!same) known = std::make_shared<const trace::Endpoint>(endpoint_);
      record_.endpoint = known;
      if (endpoints_.size() > kRemembered) endpoints_.clear();
    }
    if (has_labels_) {
      auto& known = labels_of_[record_.goid];
      if (!known || *known != labels_) known = std::make_shared<const trace::Labels>(labels_);
      record_.labels = known;
      if (labels_of_.size() > kRemembered) labels_of_.clear();
    }
    if (record_.kind != trace::RecordKind::kTracepoint) return;
    record_.row = trace::kTpCount;  // of a later version
    for (std::size_t row = 0; row < trace::kTpCount; ++row) {
      if (trace::tracepoints().at(row).name == record_.name) record_.row = static_cast<std::uint16_t>(row);
    }
  }

  void enter() {
    if (key_ == "args") {
      place_ = Place::kArgs;
      const auto found = forms_.find(record_.name);
      forms_of_ = found != forms_.end() ? &found->second : nullptr;
    } else if (key_ == "labels") {
      place_ = Place::kLabels;
      has_labels_ = true;
    } else if (key_ == "ready") {
      place_ = Place::kReady;
    } else {
      place_ = Place::kUnknown;
    }
  }

  // An argument by the name that was just read; null: too many different names. Beyond what a record holds they are
  // passed over.
  trace::Arg* new_arg(trace::ArgForm otherwise) {
    const std::string* name = intern(member_);
    if (name == nullptr) return nullptr;
    if (record_.argc == trace::Record::kMaxArgs) return &spare_;
    auto form = otherwise;
    if (forms_of_ != nullptr) {
      if (const auto known = forms_of_->find(*name); known != forms_of_->end()) form = known->second;
    }
    record_.add(*name, form, 0);
    return &record_.args.at(record_.argc - 1U);
  }

  bool value_of_nothing() {
    if (depth_ == 1 && (key_ == "fd_kind" || key_ == "local" || key_ == "peer")) has_endpoint_ = true;
    return true;
  }

  bool number(std::int64_t value);
  bool text_arg(const std::string& value);

  LineFile& file_;
  JsonEvents parser_;
  std::set<std::string> names_;
  std::map<std::string_view, std::map<std::string_view, trace::ArgForm>> forms_;  // event -> argument -> form

  trace::Record record_;
  std::size_t depth_ = 0;
  Place place_ = Place::kTop;
  std::string key_;     // of the record, or of a reported descriptor
  std::string member_;  // of its args or labels
  const std::map<std::string_view, trace::ArgForm>* forms_of_ = nullptr;
  trace::Arg spare_;
  trace::Endpoint endpoint_;
  bool has_endpoint_ = false;
  trace::Labels labels_;
  bool has_labels_ = false;
  std::string failure_;
  std::unordered_map<int, std::shared_ptr<const trace::Endpoint>> endpoints_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const trace::Labels>> labels_of_;
};

bool TraceReader::Lines::number(std::int64_t value) {
  const auto count = static_cast<std::uint64_t>(value);
  if (place_ == Place::kArgs && depth_ == 2) {
    trace::Arg* arg = new_arg(trace::ArgForm::kNumber);
    if (arg == nullptr) return false;
    arg->value = value;
    return true;
  }
  if (place_ == Place::kReady && depth_ == 3) {
    if (key_ == "fd" && !record_.ready.empty()) record_.ready.back().fd = static_cast<int>(value);
    return true;
  }
  if (depth_ != 1) return true;
  if (key_ == "time_ns") {
    record_.time_ns = count;
  } else if (key_ == "cpu") {
    record_.cpu = static_cast<std::uint32_t>(value);
  } else if (key_ == "pid") {
    record_.pid = static_cast<pid_t>(value);
  } else if (key_ == "tid") {
    record_.tid = static_cast<pid_t>(value);
  } else if (key_ == "goid") {
    record_.goid = count;
  } else if (key_ == "fd") {
    record_.fd = static_cast<int>(value);
  } else if (key_ == "duration_ns") {
    record_.duration_ns = count;
  } else if (key_ == "before_ns") {
    record_.before_ns = count;
  } else if (key_ == "result") {
    record_.result = value;
  } else if (key_ == "network_wait_ns") {
    record_.network_wait_ns = count;
  } else if (key_ == "cpu_wait_ns") {
    record_.cpu_wait_ns = count;
  } else if (key_ == "ready_omitted") {
    record_.ready_omitted = static_cast<std::uint32_t>(value);
  }
  return true;
}

bool TraceReader::Lines::text_arg(const std::string& value) {
  trace::Arg* arg = new_arg(trace::ArgForm::kText);
  if (arg == nullptr) return false;
  if (exporters::parse_arg_value(*arg, value)) return true;
  // No number of ours: kept as it is.
  const std::string* text = intern(value);
  if (text == nullptr) return false;
  arg->form = trace::ArgForm::kText;
  arg->text = *text;
  return true;
}

bool TraceReader::Lines::string(string_t& value) {
  switch (place_) {
    case Place::kArgs:
      if (depth_ == 2) return text_arg(value);
      if (record_.argc > 0) record_.args.at(record_.argc - 1U).value |= exporters::poll_event_of(value);
      return true;
    case Place::kLabels:
      if (depth_ == 2) labels_.emplace_back(member_, value);
      return true;
    case Place::kReady:
      if (record_.ready.empty()) return true;
      if (depth_ == 4) {
        record_.ready.back().events |= exporters::poll_event_of(value);
      } else if (key_ == "data") {
        record_.ready.back().data = exporters::number_of(value);
      }
      return true;
    case Place::kUnknown:
      return true;
    case Place::kTop:
      break;
  }
  if (depth_ != 1) return true;
  if (key_ == "kind") {
    using trace::RecordKind;
    for (const RecordKind kind :
         {RecordKind::kCall, RecordKind::kTracepoint, RecordKind::kProcess, RecordKind::kUring}) {
      if (trace::record_kind_name(kind) == value) record_.kind = kind;
    }
  } else if (key_ == "name") {
    const std::string* name = intern(value);
    if (name == nullptr) return false;
    record_.name = *name;
  } else if (key_ == "step") {
    using trace::Step;
    for (const Step step : {Step::kRegister, Step::kPark, Step::kReady, Step::kRun, Step::kClose}) {
      if (trace::step_name(step) == value) record_.step = step;
    }
  } else if (key_ == "fd_kind") {
    has_endpoint_ = true;
    endpoint_.kind = value;
  } else if (key_ == "local") {
    has_endpoint_ = true;
    endpoint_.local = value;
  } else if (key_ == "peer") {
    has_endpoint_ = true;
    endpoint_.peer = value;
  }
  return true;
}

TraceReader::TraceReader(LineFile& file, const Json& meta) : lines_(std::make_unique<Lines>(file, meta)) {}
TraceReader::~TraceReader() = default;
Result<Json> TraceReader::read(Sink& sink) { return lines_->read(sink); }

}  // namespace netpoll::cli
