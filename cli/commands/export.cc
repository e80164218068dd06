// export: a recorded trace, snapshot or result in another format.
#include <algorithm>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/compare/input.h"
#include "cli/emit.h"
#include "cli/export/snapshot_reader.h"
#include "cli/export/trace_reader.h"
#include "cli/export/tracks_option.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "exporters/table.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using exporters::Content;
using exporters::Json;

struct Options {
  std::string file;
  OutputOptions output;
  std::vector<std::string> tracks;
  bool per_goroutine = false;
  bool everything = false;
  bool list = false;
};

// Files may hold any of them.
constexpr auto kAnything =
    static_cast<Content>(static_cast<unsigned>(Content::kResult) | static_cast<unsigned>(Content::kSnapshot) |
                         static_cast<unsigned>(Content::kStream) | static_cast<unsigned>(Content::kVerdict));

std::string contents_of(const exporters::Format& format) {
  std::vector<std::string> words;
  if (format.takes(Content::kStream)) words.emplace_back("trace");
  if (format.takes(Content::kSnapshot)) words.emplace_back("snapshot");
  if (format.takes(Content::kResult)) words.emplace_back("result");
  if (format.takes(Content::kVerdict)) words.emplace_back("verdict");
  return joined(words);
}

Result<ExitStatus> list_formats(const Options& options) {
  auto out = exporters::Destination::open(options.output.path);
  if (!out) return std::move(out).error();
  exporters::Table table;
  for (const char* heading : {"format", "accepts", "what it is"}) table.column(heading, exporters::Align::kLeft);
  for (const exporters::Format& format : exporters::formats()) {
    table.row({std::string(format.name), contents_of(format), std::string(format.summary)});
  }
  if (auto written = out->write(table.text(/*color=*/false)); !written) return std::move(written).error();
  if (auto done = out->commit(); !done) return std::move(done).error();
  return ExitStatus::kDone;
}

Result<exporters::ExportOptions> wishes_of(const Options& options) {
  exporters::ExportOptions wishes;
  wishes.everything = options.everything;
  wishes.per_goroutine = options.per_goroutine;
  auto tracks = parse_tracks(options.tracks);
  if (!tracks) return std::move(tracks).error();
  wishes.tracks = *tracks;
  return wishes;
}

// Hands events on, until writing fails or somebody interrupts.
class Copy : public TraceReader::Sink {
 public:
  Copy(exporters::Exporter& out, const Interrupt& interrupt) : out_(out), interrupt_(interrupt) {}
  void event(const trace::Record& record) override {
    keep(out_.event(record));
    ++events_;
  }
  void lost(const trace::Loss& loss) override { keep(out_.lost(loss)); }
  // A look at the interrupt costs little, but not nothing.
  bool stop() const override { return failed_.has_value() || (events_ % 1024 == 0 && interrupt_.requested()); }
  const std::optional<Error>& failed() const { return failed_; }

 private:
  void keep(Result<void> written) {
    if (!written && !failed_) failed_ = std::move(written).error();
  }
  exporters::Exporter& out_;
  const Interrupt& interrupt_;
  std::uint64_t events_ = 0;
  std::optional<Error> failed_;
};

std::uint64_t figure(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

Result<ExitStatus> export_trace(const Options& options, Invocation& invocation, LineFile& file, Json meta) {
  const auto wishes = wishes_of(options);
  if (!wishes) return wishes.error();
  auto out = Emitter::open(options.output, Content::kStream, invocation.color, *wishes);
  if (!out) return std::move(out).error();
  meta.erase("type");
  TraceReader reader(file, meta);
  if (auto begun = out->exporter().begin(meta); !begun) return std::move(begun).error();
  Copy copy(out->exporter(), invocation.interrupt);
  auto totals = reader.read(copy);
  if (!totals) return std::move(totals).error();
  if (copy.failed()) return *copy.failed();
  if (invocation.interrupt.requested()) return invocation.interrupt.status();
  if (auto ended = out->exporter().end(*totals); !ended) return std::move(ended).error();
  if (auto done = out->finish(); !done) return std::move(done).error();
  const std::uint64_t lost = figure(*totals, "lost");
  const bool cut_short = totals->value("cut_short", false);
  if (cut_short) {
    invocation.log.warning(file.name() + " is cut short: it has no end line, and what followed is missing",
                           "trace -o FILE writes a file that is complete or not there");
  }
  if (lost > 0) invocation.log.warning(exporters::grouped(lost) + " events were lost when this was recorded");
  return (cut_short || lost > 0) && options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

// One document of the lines of a snapshot or result in NDJSON: the first and last line have its members, the others
// are its goroutines or intervals.
Json document_of_lines(const std::vector<Json>& lines) {
  Json document = Json::object();
  Json goroutines = Json::array();
  Json intervals = Json::array();
  bool ended = false;
  const std::string schema = lines.front().value("schema", "");
  const bool snapshot = schema.starts_with("netpoll-trace/snapshot/");
  for (const Json& line : lines) {
    Json members = line;
    const Json type = members.contains("type") ? members.at("type") : Json();
    members.erase("type");
    if (type == "goroutine") {
      goroutines.push_back(std::move(members));
    } else if (type == "interval") {
      intervals.push_back(std::move(members));
    } else if (type == "meta" || (type == "end" && !snapshot)) {
      document.update(members);
    }
    ended = ended || type == "end";
  }
  if (snapshot) document["goroutines"] = std::move(goroutines);
  if (!intervals.empty()) document["intervals"] = std::move(intervals);
  if (!ended) document["cut_short"] = true;
  return document;
}

Content content_of(const std::string& kind) {
  if (kind == "snapshot") return Content::kSnapshot;
  return kind == "compare" ? Content::kVerdict : Content::kResult;
}

Result<ExitStatus> export_document(const Options& options, Invocation& invocation, const Json& document,
                                   const std::string& name) {
  const auto schema = schema_of(document, name);
  if (!schema) return schema.error();
  const Content content = content_of(schema->kind);
  const auto format = format_of(options.output, content);
  if (!format) return format.error();
  const auto wishes = wishes_of(options);
  if (!wishes) return wishes.error();
  auto out = Emitter::open(options.output, content, invocation.color, *wishes);
  if (!out) return std::move(out).error();
  // A format of documents takes it as it is, with what was known of goroutines that were not to be shown.
  const bool whole = (*format)->takes(Content::kResult) && !(*format)->takes(Content::kStream);
  if (content == Content::kSnapshot && !whole) {
    if (auto written = out->snapshot(snapshot_from_json(document)); !written) return std::move(written).error();
    if (auto done = out->finish(); !done) return std::move(done).error();
  } else if (auto written = out->result(document); !written) {
    return std::move(written).error();
  }
  if (!document.value("cut_short", false)) return ExitStatus::kDone;
  invocation.log.warning(name + " is cut short: it has no end line, and what followed is missing");
  return options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  if (options.list) return list_formats(options);
  if (options.file.empty()) {
    return Error(ErrorKind::kInvalid, "export needs a file")
        .with_hint("netpoll-trace export FILE -f NAME; export --list shows what there is");
  }
  auto file = LineFile::open(options.file);
  if (!file) return std::move(file).error();
  // A trace is known by its first line, and read line by line; all else is a document.
  LineFile::Line first;
  auto any = file->next(first);
  if (!any) return std::move(any).error();
  Json meta = *any ? exporters::parse_json(first.text) : Json();
  const bool is_line = meta.is_object() && meta.contains("type") && meta.at("type") == "meta";
  if (is_line) {
    const auto schema = schema_of(meta, file->name());
    if (!schema) return schema.error();
    if (schema->kind == "trace") return export_trace(options, invocation, *file, std::move(meta));
  }
  std::string text(first.text);
  text += '\n';
  constexpr std::size_t kLargest = 256 << 20;
  for (LineFile::Line line;;) {
    auto more = file->next(line);
    if (!more) return std::move(more).error();
    if (!*more) break;
    if (is_line && !line.whole && exporters::parse_json(line.text).is_discarded()) break;  // cut inside of a line
    text.append(line.text).append(1, '\n');
    if (text.size() > kLargest) {
      return Error(ErrorKind::kInvalid, file->name() + " is larger than " + std::to_string(kLargest >> 20) + " MiB")
          .with_hint("traces may be of any size, snapshots and results may not");
    }
  }
  auto documents = parse_documents(text, file->name());
  if (!documents) return std::move(documents).error();
  if (is_line) return export_document(options, invocation, document_of_lines(*documents), file->name());
  if (documents->size() > 1) {
    return Error(ErrorKind::kInvalid, file->name() + " holds " + std::to_string(documents->size()) + " documents")
        .with_hint("export takes one: jq '.[0]' picks the first of an array");
  }
  return export_document(options, invocation, documents->front(), file->name());
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.positional("file", options->file);
  const char* group = "Formats";
  flags.on_off("--list", options->list, {group, "", "Show the formats, and what each accepts"});
  add_tracks_option(flags, options->tracks);
  flags.on_off("--per-goroutine", options->per_goroutine,
               {group, "", "Profiles of snapshots: a sample for each goroutine"});
  flags.on_off("--all", options->everything, {group, "", "Also frames of runtimes, and figures that did not change"});
  add_output_options(flags, options->output, kAnything, /*strict_too=*/true);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command export_command{
    .name = "export",
    .summary = "converts a recorded trace, snapshot or result into another format",
    .usage = "FILE -f NAME [options]",
    .description =
        "Reads what another command has written: a trace (trace -f ndjson), a snapshot (snapshot --json or -f ndjson), "
        "a result (run, stat, ... --json) or a verdict (compare --json); - is standard input. --list shows which "
        "format takes which. A trace is read as a stream: its size does not matter.\n"
        "\n"
        "What was lost while a trace was recorded is in every format that can show it. A trace without its last line "
        "was cut off: it is converted as far as it goes, and the output says so. Files of a later minor version are "
        "read, those of another major version are refused.",
    .examples =
        "netpoll-trace trace -p 4711 -d 5s -f ndjson -o out.ndjson\n"
        "netpoll-trace export out.ndjson -f perfetto -o out.pftrace\n"
        "netpoll-trace export --list",
    .add = add,
};

}  // namespace netpoll::cli
