// Results of run and stat as a page for people, made from the document alone so that a saved one reads the same.
#pragma once

#include <string>

#include "exporters/json.h"

namespace netpoll::cli {

// The page of a run or stat document. Figures that are unknown are left out, calls that did not happen too.
std::string result_text(const exporters::Json& document, bool color);

// One line for an interval of stat -i: "0.0-1.0 s  epoll_wait 1,204  read 2,400 (EAGAIN 1,200)".
std::string interval_text(const exporters::Json& interval);

}  // namespace netpoll::cli
