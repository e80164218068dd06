// Figures: the numbers of one side of a comparison, one series a path, a value a run.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exporters/json.h"
#include "netpoll/result.h"

namespace netpoll::cli {

class LargeDocument;

struct Figure {
  std::string path;          // "syscalls.epoll_ctl.per_op"
  std::vector<double> runs;  // in order of the runs; NaN: unknown in that run

  // The median; nothing when it is unknown in some run.
  std::optional<double> value() const;
  bool known() const;  // whether there is one
};

// The runs of one side: every document of its files, and every sample of a repeated one.
struct ResultSet {
  std::string name;                // of the file or files, for messages
  std::string kind;                // "run" or "stat"
  exporters::Json frame;           // the first document, without its samples
  std::size_t runs = 0;            // never 0
  std::vector<Figure> figures;     // in the order of the first run
  std::vector<std::string> files;  // as they were named

  // Nothing when there is no such path.
  const Figure* find(const std::string& path) const;
};

// Reads the files of one side. Fails with kInvalid when one cannot be read as results, when its documents are of other
// kinds than run and stat or of several, has no samples, or when runs are not comparable with each other.
Result<ResultSet> read_results(const std::vector<std::string>& paths);
// The same, where more than one side is read: the memory that it takes to read one serves the next.
class ResultReader {
 public:
  ResultReader();
  ~ResultReader();
  ResultReader(const ResultReader&) = delete;
  ResultReader& operator=(const ResultReader&) = delete;
  Result<ResultSet> read(const std::vector<std::string>& paths);

 private:
  std::string text_;
  std::unique_ptr<LargeDocument> document_;
};

// What makes a set of documents. Every numeric path counts, except what describes the run rather than measures it
// (target, host, workload, …) and arrays. An errno that did not occur counts 0. A system call some of whose calls
// ended in EAGAIN gets a figure `without_eagain` beside its count: the attempts are timing's, the rest the program's.
Result<ResultSet> results_of(const std::vector<exporters::Json>& documents, const std::string& name);

// What was measured differently, as "poll mode thread and hybrid"; empty when the two can be compared.
std::vector<std::string> differences(const exporters::Json& base, const exporters::Json& head);

// The figure at path with its value, or kInvalid with the reason: a "did you mean" when there is no such path; that a
// result of this kind cannot have it; or that the run could not measure it.
Result<Figure> known_figure(const ResultSet& results, const std::string& path);

// Divides counts and sums of times, so that measurements of different length can be compared. by: "second", "none", or
// the name of a system call whose calls are the target's own operations. Fails with kInvalid when that is not known.
Result<void> count_per(ResultSet& results, const std::string& by);
// What is fair when nothing was asked for: "second" for a window of a running process, else "none".
std::string default_per(const ResultSet& results);

// 3 rather than 3.0 for a whole number.
exporters::Json number_json(double value);

}  // namespace netpoll::cli
