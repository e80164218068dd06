// Figures: the numbers of a result file, one per path, the median of its runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "exporters/json.h"
#include "netpoll/result.h"

namespace netpoll::cli {

struct Figure {
  std::string path;             // "syscalls.epoll_ctl.per_op"
  std::optional<double> value;  // nothing: null in the file, that is unknown
};

// The runs of one file: every document of it, and every sample of a repeated one.
struct ResultSet {
  std::string name;  // of the file, for messages
  std::string kind;  // "run" or "stat"
  std::vector<exporters::Json> runs;

  const exporters::Json& first() const { return runs.front(); }
};

// Reads a file. Fails with kInvalid when it cannot be read as results, when its documents are of other kinds than run
// and stat or of several, or when its runs are not comparable with each other.
Result<ResultSet> read_results(const std::string& path);
Result<ResultSet> results_of(std::vector<exporters::Json> documents, const std::string& name);

// What was configured differently, as "poll mode thread and hybrid"; empty when the two measure the same thing.
std::vector<std::string> differences(const exporters::Json& base, const exporters::Json& head);

// Every numeric path in the order of the first run. What describes the run rather than measures it (target, host,
// workload, …) and arrays are left out. An errno that did not occur counts 0.
std::vector<Figure> figures(const ResultSet& results);

// The figure at path, or kInvalid with a "did you mean" when the file has none there.
Result<Figure> figure_at(const std::vector<Figure>& figures, const std::string& path, const std::string& name);

// 3 rather than 3.0 for a whole number.
exporters::Json number_json(double value);

}  // namespace netpoll::cli
