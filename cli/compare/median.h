// Several runs as one: the median of every figure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "exporters/json_fwd.h"

namespace netpoll::cli {

// The middle value; of an even number of values the mean of the two in the middle. values must not be empty.
double median(std::vector<double> values);
double median_of_ordered(const std::vector<double>& values);  // that ascend

// A document in which every number is the median (of whole numbers a whole number, rounded down) of that number in all
// samples, null where one of them is null or absent. Everything else (texts, arrays, which cannot be put in an order)
// is the first sample's. samples must not be empty.
exporters::Json median_of(const std::vector<exporters::Json>& samples);

// The objects and numbers of median_of, each number as {"min", "max"} of that number in all samples, or null.
exporters::Json spread_of(const std::vector<exporters::Json>& samples);

}  // namespace netpoll::cli
