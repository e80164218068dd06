// Emitter: the one way from a command's document to bytes: the format that was asked for, where it was asked to go, and
// the JSON beside it (--save).
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "cli/log.h"
#include "cli/options.h"
#include "exporters/exporter.h"
#include "netpoll/result.h"

namespace netpoll::cli {

class Interrupt;

// The format of -f and --json. kInvalid for an unknown one, and for one that cannot show content.
Result<const exporters::Format*> format_of(const OutputOptions& options, exporters::Content content);

// Writes text to standard output: what a command says that has no document, as help.
Result<void> print(std::string_view text);

// Open it before the work, so that an unwritable target is known at once. Without result() or snapshot() nothing
// appears. Movable; one thread at a time.
class Emitter {
 public:
  // wishes: what the user can ask of a format; colour and width are those of the destination. kInvalid also where bytes
  // would go to a terminal.
  static Result<Emitter> open(const OutputOptions& options, exporters::Content content, ColorChoice color,
                              exporters::ExportOptions wishes = {});

  // For who has a page to show, and all of it at once: on a terminal one that is longer than the screen goes through a
  // pager, unless --no-pager says otherwise. Before anything is written.
  void offer_pager(Interrupt& interrupt);

  // A figure on the way to the result (stat -i). False: it could not be written; why is kept and returned by result().
  bool interval(const exporters::Json& head, const exporters::Json& interval);
  // Whether the document that result() gets has to have them, too.
  bool keeps_intervals() const { return save_ || !exporter_->writes_intervals(); }
  // Writes the document and makes it visible, and the same in JSON where --save asked for it. Once.
  Result<void> result(const exporters::Json& document);
  // One snapshot of several (--watch, several -p); finish() makes them visible. One alone is snapshot(), then finish().
  Result<void> snapshot(const exporters::SnapshotDocument& document);
  Result<void> finish();
  // The standard stream that it goes to; nothing for a file.
  std::optional<int> standard_fd() const { return out_->standard_fd(); }
  // A stream goes to the exporter itself, and finish() makes it visible. write_behind() first where it must not wait
  // for its reader: see Destination.
  exporters::Exporter& exporter() { return *exporter_; }
  void write_behind() { out_->write_behind(); }
  Result<void> push() { return out_->push(); }
  std::size_t backlog() const { return out_->backlog(); }

 private:
  Emitter() = default;
  Result<void> commit();

  std::unique_ptr<exporters::Destination> out_;       // keeps its address, which the exporter knows
  std::unique_ptr<exporters::Destination> terminal_;  // where the pager's page is to go, which out_ collects
  std::unique_ptr<std::string> page_;
  Interrupt* interrupt_ = nullptr;
  const exporters::Format* format_ = nullptr;
  exporters::ExportOptions wishes_;
  bool no_pager_ = false;
  std::optional<exporters::Destination> save_;
  std::unique_ptr<exporters::Exporter> exporter_;
  std::optional<Error> failed_;
};

}  // namespace netpoll::cli
