// LinePrefix: what a log system puts in front of each line of a dump, such as a time, a host and a pid.
#pragma once

#include <string>
#include <string_view>

namespace netpoll::probes {

// Learned from one line, recognised in others: the same text, with any digits where that one had digits. A value.
class LinePrefix {
 public:
  LinePrefix() = default;
  explicit LinePrefix(std::string_view sample) : sample_(sample) {}

  bool empty() const { return sample_.empty(); }
  const std::string& sample() const { return sample_; }

  // Whether the line begins with it; what follows is left. A line that ends with the prefix, trailing blanks of which
  // were lost, is empty.
  bool strip(std::string_view& line) const;

 private:
  std::string sample_;
};

}  // namespace netpoll::probes
