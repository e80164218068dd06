// TraceFigures: how long a trace's goroutines, descriptors and peers waited, together and each, in bounded memory.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "exporters/json_fwd.h"
#include "netpoll/trace/record.h"

namespace netpoll::exporters {

// Waits by their length: four buckets for each doubling.
class WaitHistogram {
 public:
  void add(std::uint64_t ns);
  // [[from, below, count], ...] without the empty ones at both ends.
  Json json() const;

 private:
  static constexpr std::size_t kBuckets = 256;
  static std::size_t bucket_of(std::uint64_t ns);
  static std::uint64_t begin_of(std::size_t bucket);
  std::array<std::uint64_t, kBuckets> counts_{};
};

// One thread at a time. Of each kind the first kMostRows are told apart; the histograms have all of them.
class TraceFigures {
 public:
  static constexpr std::size_t kMostRows = 4096;

  // Counts the waits that a record says are over.
  void add(const trace::Record& record);
  // Adds network, cpu, goroutines, fds, peers and edges. process: the name of each by its pid.
  void write(Json& page, const std::map<pid_t, std::string>& processes) const;

 private:
  struct Row {
    std::uint64_t count = 0;
    std::uint64_t network_ns = 0;
    std::uint64_t network_max_ns = 0;
    std::uint64_t cpu_ns = 0;
    std::uint64_t cpu_max_ns = 0;
    std::shared_ptr<const trace::Endpoint> endpoint;  // the last one
    std::shared_ptr<const trace::Labels> labels;

    void add(const trace::Record& record);
  };
  template <typename Key>
  using Rows = std::map<Key, Row>;

  template <typename Key>
  static void count(Rows<Key>& rows, const Key& key, const trace::Record& record);
  template <typename Key, typename Fill>
  static Json rows_json(const Rows<Key>& rows, std::size_t most, const Fill& fill);

  WaitHistogram network_;
  WaitHistogram cpu_;
  Rows<std::pair<pid_t, std::uint64_t>> goroutines_;
  Rows<std::pair<pid_t, int>> fds_;
  Rows<std::string> peers_;
  Rows<std::pair<std::string, std::string>> edges_;  // who waits, and for which peer
};

}  // namespace netpoll::exporters
