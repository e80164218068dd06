// Where documents go: format, destination, and --save.
#include "cli/emit.h"

#include <unistd.h>

#include <algorithm>

#include "cli/spell.h"
#include "cli/system/pager.h"
#include "cli/system/screen.h"
#include "exporters/json.h"

namespace netpoll::cli {
namespace {

// A file is coloured only on --color always.
bool use_color_for(ColorChoice choice, const exporters::Destination& out) {
  const std::optional<int> fd = out.standard_fd();
  if (choice == ColorChoice::kAuto && !fd) return false;
  return use_color(choice, fd.value_or(STDOUT_FILENO));
}

// Of the terminal; of a page that goes elsewhere, what a terminal has at least.
std::size_t width_of(const exporters::Destination& out) {
  constexpr std::size_t kLeast = 80;
  const std::optional<int> fd = out.standard_fd();
  const auto screen = fd ? screen_of(*fd) : std::nullopt;
  return std::max(kLeast, screen ? screen->columns : 0);
}

}  // namespace

Result<const exporters::Format*> format_of(const OutputOptions& options, exporters::Content content) {
  const bool named = !options.format.empty();
  const bool stream = content == exporters::Content::kStream;
  const std::string json = stream ? "ndjson" : "json";
  if (options.json && named && options.format != json) {
    return Error(ErrorKind::kInvalid, "--json and --format " + options.format + " exclude each other")
        .with_hint("--json is the same as -f " + json + ": give one of them");
  }
  const std::string name = options.json ? json : named ? options.format : stream ? "text" : "table";
  const exporters::Format* format = exporters::find_format(name);
  if (format == nullptr || !format->takes(content)) {
    const auto known = exporters::format_names(content);
    return Error(ErrorKind::kInvalid,
                 format == nullptr ? "unknown format \"" + name + "\"" : "the format " + name + " cannot show this")
        .with_hint(did_you_mean(name, known, "one of: " + joined(known)));
  }
  return format;
}

Result<void> print(std::string_view text) {
  auto out = exporters::Destination::open("");
  if (!out) return std::move(out).error();
  return out->write(text);
}

Result<Emitter> Emitter::open(const OutputOptions& options, exporters::Content content, ColorChoice color,
                              exporters::ExportOptions wishes) {
  const auto format = format_of(options, content);
  if (!format) return format.error();
  auto out = exporters::Destination::open(options.path, options.standard);
  if (!out) return std::move(out).error();
  const std::string name((*format)->name);
  if (const auto fd = out->standard_fd(); (*format)->binary && fd && isatty(*fd) != 0) {
    return Error(ErrorKind::kInvalid, "the format " + name + " is not text: it would disturb the terminal")
        .with_hint("-o FILE writes it to a file");
  }
  Emitter emitter;
  emitter.out_ = std::make_unique<exporters::Destination>(std::move(*out));
  if (!options.save.empty()) {
    auto save = exporters::Destination::open(options.save);
    if (!save) return std::move(save).error();
    emitter.save_.emplace(std::move(*save));
  }
  wishes.color = use_color_for(color, *emitter.out_);
  wishes.width = width_of(*emitter.out_);
  emitter.format_ = *format;
  emitter.wishes_ = wishes;
  emitter.no_pager_ = options.no_pager;
  emitter.exporter_ = (*format)->make(*emitter.out_, wishes);
  return emitter;
}

void Emitter::offer_pager(Interrupt& interrupt) {
  const std::optional<int> fd = out_->standard_fd();
  if (no_pager_ || format_->name != "table" || fd != STDOUT_FILENO || isatty(STDOUT_FILENO) == 0) return;
  interrupt_ = &interrupt;
  terminal_ = std::move(out_);
  page_ = std::make_unique<std::string>();
  out_ = std::make_unique<exporters::Destination>(exporters::Destination::to_memory(*page_));
  exporter_ = format_->make(*out_, wishes_);
}

Result<void> Emitter::commit() {
  if (!terminal_) return out_->commit();
  const std::string pager = is_longer_than_screen(*page_, STDOUT_FILENO) ? pager_command() : std::string();
  if (!pager.empty()) {
    const auto shown = show_in_pager(pager, *page_, *interrupt_);
    if (!shown) return shown.error();
    if (*shown) return {};
  }
  if (auto written = terminal_->write(*page_); !written) return written;
  return terminal_->commit();
}

bool Emitter::interval(const exporters::Json& head, const exporters::Json& interval) {
  if (failed_) return false;
  if (auto written = exporter_->interval(head, interval); !written) failed_ = std::move(written).error();
  return !failed_;
}

Result<void> Emitter::snapshot(const exporters::SnapshotDocument& document) { return exporter_->snapshot(document); }

Result<void> Emitter::finish() { return commit(); }

Result<void> Emitter::result(const exporters::Json& document) {
  if (failed_) return *failed_;
  if (auto written = exporter_->result(document); !written) return written;
  if (auto done = commit(); !done) return done;
  if (!save_) return {};
  if (auto written = save_->write(exporters::to_document(document)); !written) return written;
  return save_->commit();
}

}  // namespace netpoll::cli
