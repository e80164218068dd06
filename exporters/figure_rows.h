// A document as rows: the figures of a result, or the changes of a comparison, for formats that are tables themselves.
#pragma once

#include <string>
#include <vector>

#include "exporters/json_fwd.h"

namespace netpoll::exporters {

struct FigureRows {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // as long as the header; numbers as JSON writes them, unknown is empty
};

// Of a comparison: every change. Of any other document: every number, with its path, and its range where the document
// has a `spread`.
FigureRows figure_rows(const Json& document);

}  // namespace netpoll::exporters
