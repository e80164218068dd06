// labels.h: the label sets that goroutines share.
//
// A set never changes. The goroutine that made it and each that inherited it hold a reference; the last one to go
// frees it, unless somebody looks: who reads other goroutines' sets holds a LabelReader, and what would be freed
// meanwhile is put aside. No goroutine ever waits for a reader.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libruntime/sched/g.h"
#include "netpoll/debug/abi.h"
#include "netpoll/labels.h"

namespace netpoll::sched {

class SharedLabels {
 public:
  // base (may be null) with labels on top, in order of keys. The caller owns one reference.
  static const SharedLabels* make(const SharedLabels* base, std::span<const Label> labels);

  void ref() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void unref() const;

  std::vector<std::pair<std::string_view, std::string_view>> pairs() const;

 private:
  friend class LabelReader;
  SharedLabels() = default;
  static void destroy(const SharedLabels* set);
  static void free_retired();

  debug::LabelSet head_{};  // first: whoever has the address of one has that of the other
  mutable std::atomic<std::uint32_t> references_{1};
  mutable const SharedLabels* next_retired_ = nullptr;
  // Sizes and texts follow.
};

// While one exists, sets that a goroutine was seen to have stay readable. One at a time in a process; making a second
// one waits. Not across a context switch.
class LabelReader {
 public:
  LabelReader();
  ~LabelReader();
  LabelReader(const LabelReader&) = delete;
  LabelReader& operator=(const LabelReader&) = delete;

  std::vector<std::pair<std::string, std::string>> labels_of(const G& g) const;
};

// The set of g, which is the caller or does not run; or null.
inline const SharedLabels* own_labels(const G& g) {
  if (g.labels_below.load(std::memory_order_relaxed) == 0) return nullptr;
  return g.tail().labels.load(std::memory_order_relaxed);
}
// Gives g, which does not run or is the caller, a set (null: none). References are the caller's business.
void set_labels(G& g, const SharedLabels* labels);
// For a goroutine that ends: takes its set away.
inline void drop_labels(G& g) {
  const SharedLabels* labels = own_labels(g);
  if (labels == nullptr) return;
  set_labels(g, nullptr);
  labels->unref();
}
// For one that is made: gives it the set of the goroutine that makes it, which is the caller.
inline void inherit_labels(G& g, const G& parent) {
  const SharedLabels* labels = own_labels(parent);
  if (labels == nullptr) return;
  labels->ref();
  set_labels(g, labels);
}

}  // namespace netpoll::sched
