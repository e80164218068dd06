// Several runs as one: the median of every figure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "exporters/json.h"

namespace netpoll::cli {

// The middle value; of an even number of values the lower of the two in the middle, so that the median is always a
// value that was observed, and an integer stays one. values must not be empty.
double median(std::vector<double> values);

// A document in which every number is the median of that number in all samples, null where one of them is null or
// absent. Everything else (texts, arrays, which cannot be put in an order) is the first sample's. samples must not be
// empty.
exporters::Json median_of(const std::vector<exporters::Json>& samples);

}  // namespace netpoll::cli
