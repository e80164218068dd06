// Columns: the numbers of run after run, taken apart into one column for each path.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cli/compare/figures.h"
#include "exporters/json_fwd.h"
#include "netpoll/result.h"

namespace netpoll::cli {

class Columns;
class LargeDocument;

// Members of a document that are of its runs or say the same of all of them, and no part of its frame.
inline bool is_per_run(std::string_view member) {
  return member == "samples" || member == "spread" || member == "intervals";
}

// Whether the path is that of an errno, which counts 0 where it did not occur.
inline bool is_errno_path(std::string_view path) { return path.find(".errors.") != std::string_view::npos; }

// The part of a document that one of its runs has of its own, in whatever form it was read.
class Sample {
 public:
  virtual ~Sample() = default;
  virtual std::vector<std::string_view> names() const = 0;
  // Puts the numbers of that member into columns; false: it has none of that name.
  virtual bool collect(std::string_view name, Columns& columns) const = 0;
};

// Runs name nearly the same paths in the same order, so the next path is looked for where the last run had it.
class Columns {
 public:
  // A run: what the sample has, and of the frame what it has not.
  void run(const exporters::Json& frame, const Sample& sample);
  void run(const exporters::Json& frame, const exporters::Json& sample);

  std::size_t runs() const { return runs_; }
  // The path that one run had twice, if any had.
  const std::optional<std::string>& doubled() const { return doubled_; }
  std::vector<Figure> take();

  // For samples: a name on the way to numbers, and a number; NaN: unknown.
  void enter(std::string_view name) {
    if (!path_.empty()) path_ += '.';
    path_ += name;
  }
  void leave(std::string_view name) { path_.resize(path_.size() - std::min(path_.size(), name.size() + 1)); }
  void put(double value);
  void collect(const exporters::Json& node);

 private:
  std::vector<Figure> figures_;
  std::unordered_map<std::string, std::size_t> index_;
  std::string path_;
  std::size_t expected_ = 0;
  std::size_t runs_ = 0;
  std::optional<std::string> doubled_;
};

// What a file of results holds, as it is read.
class ResultVisitor {
 public:
  virtual ~ResultVisitor() = default;
  // A document but for its samples; how many of those follow. Nothing: it was not repeated.
  virtual Result<void> document(exporters::Json frame, std::optional<std::size_t> samples) = 0;
  virtual Result<void> sample(const Sample& sample) = 0;
};

// Hands a document to the visitor. kInvalid: a sample is no object, or the visitor's own.
Result<void> visit(const exporters::Json& document, const std::string& name, ResultVisitor& visitor);

// The same for all documents of a text, which ends in kSpare blanks; large is for nothing but its memory. Makes no
// values of samples where this build has simdjson: then half a gigabyte a second. Errors: those of parse_documents().
inline constexpr std::size_t kSpare = 64;
Result<void> visit_text(std::string_view text, const std::string& name, LargeDocument& large, ResultVisitor& visitor);

}  // namespace netpoll::cli
