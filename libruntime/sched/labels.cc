// labels.cc: makes, inherits and frees label sets.
#include "libruntime/sched/labels.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <new>

#include "libruntime/base/fatal.h"
#include "libruntime/sched/m.h"
#include "netpoll/base/mutex.h"

namespace netpoll::sched {
namespace {

constexpr std::size_t kMaxBytes = 64 * 1024;

base::Mutex reader_mutex;                           // held by whoever looks, or frees
std::atomic<const SharedLabels*> retired{nullptr};  // without an owner, not freed yet

using Sizes = std::uint32_t[2];

}  // namespace

const SharedLabels* SharedLabels::make(const SharedLabels* base, std::span<const Label> labels) {
  std::map<std::string_view, std::string_view> merged;
  if (base != nullptr) {
    for (const auto& [key, value] : base->pairs()) merged[key] = value;
  }
  for (const Label& label : labels) merged[label.key] = label.value;
  std::size_t bytes = 0;
  for (const auto& [key, value] : merged) bytes += sizeof(Sizes) + key.size() + value.size();
  if (bytes > kMaxBytes) base::fatalf("netpoll: labels of %zu bytes, more than %zu", bytes, kMaxBytes);

  auto* set = new (::operator new(sizeof(SharedLabels) + bytes)) SharedLabels;
  auto* at = reinterpret_cast<char*>(set + 1);
  for (const auto& [key, value] : merged) {
    const Sizes sizes = {static_cast<std::uint32_t>(key.size()), static_cast<std::uint32_t>(value.size())};
    std::memcpy(at, sizes, sizeof(sizes));
    at += sizeof(sizes);
  }
  for (const auto& [key, value] : merged) {
    for (const std::string_view text : {key, value}) {
      std::copy(text.begin(), text.end(), at);
      at += text.size();
    }
  }
  set->head_.count = static_cast<std::uint32_t>(merged.size());
  set->head_.bytes = static_cast<std::uint32_t>(sizeof(SharedLabels) + bytes);
  set->head_.first = sizeof(SharedLabels);
  set->head_.self = reinterpret_cast<std::uint64_t>(set);
  return set;
}

std::vector<std::pair<std::string_view, std::string_view>> SharedLabels::pairs() const {
  std::vector<std::pair<std::string_view, std::string_view>> result;
  const auto* sizes = reinterpret_cast<const char*>(this + 1);
  const char* text = sizes + head_.count * sizeof(Sizes);
  const auto take = [&text](std::uint32_t size) {
    const std::string_view taken(text, size);
    text += size;
    return taken;
  };
  for (std::uint32_t i = 0; i < head_.count; ++i) {
    Sizes size;
    std::memcpy(size, sizes + i * sizeof(Sizes), sizeof(size));
    const std::string_view key = take(size[0]);
    result.emplace_back(key, take(size[1]));
  }
  return result;
}

void SharedLabels::unref() const {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // Aside first, so that it is freed by somebody whatever comes between.
  next_retired_ = retired.load(std::memory_order_relaxed);
  while (!retired.compare_exchange_weak(next_retired_, this, std::memory_order_acq_rel)) {
  }
  if (!reader_mutex.try_lock()) return;
  free_retired();
  reader_mutex.unlock();
}

void SharedLabels::destroy(const SharedLabels* set) {
  // Readers in other processes see that it is gone.
  __atomic_store_n(&const_cast<SharedLabels*>(set)->head_.self, 0, __ATOMIC_RELAXED);
  set->~SharedLabels();
  ::operator delete(const_cast<SharedLabels*>(set));
}

// Under reader_mutex: nobody looks.
void SharedLabels::free_retired() {
  const SharedLabels* set = retired.exchange(nullptr, std::memory_order_acquire);
  while (set != nullptr) {
    const SharedLabels* next = set->next_retired_;
    destroy(set);
    set = next;
  }
}

LabelReader::LabelReader() NETPOLL_NO_THREAD_SAFETY_ANALYSIS { reader_mutex.lock(); }

LabelReader::~LabelReader() NETPOLL_NO_THREAD_SAFETY_ANALYSIS {
  SharedLabels::free_retired();
  reader_mutex.unlock();
}

std::vector<std::pair<std::string, std::string>> LabelReader::labels_of(const G& g) const {
  std::vector<std::pair<std::string, std::string>> result;
  if (g.labels_below.load(std::memory_order_acquire) == 0) return result;
  // The owner takes a set from its G before it gives its reference up; so what is still there is not freed before this
  // reader is done.
  const SharedLabels* set = g.tail().labels.load(std::memory_order_acquire);
  if (set == nullptr) return result;
  for (const auto& [key, value] : set->pairs()) result.emplace_back(key, value);
  return result;
}

void set_labels(G& g, const SharedLabels* labels) {
  auto& place = g.tail().labels;
  if (labels == nullptr) {
    g.labels_below.store(0, std::memory_order_release);
    place.store(nullptr, std::memory_order_release);
    return;
  }
  place.store(labels, std::memory_order_release);
  const auto below = static_cast<char*>(g.stack.hi) - reinterpret_cast<char*>(&place);
  g.labels_below.store(static_cast<std::uint32_t>(below), std::memory_order_release);
}

}  // namespace netpoll::sched

namespace netpoll {

namespace detail {

LabelScope::LabelScope(std::span<const Label> labels) {
  sched::G* g = sched::current_g();
  if (g == nullptr) base::fatal("netpoll: with_labels outside of a goroutine");
  previous_ = sched::own_labels(*g);
  sched::set_labels(*g, sched::SharedLabels::make(previous_, labels));
}

LabelScope::~LabelScope() {
  sched::G* g = sched::current_g();
  const sched::SharedLabels* labels = sched::own_labels(*g);
  sched::set_labels(*g, previous_);
  labels->unref();
}

}  // namespace detail

std::optional<std::string> label(std::string_view key) {
  const sched::G* g = sched::current_g();
  const sched::SharedLabels* labels = g != nullptr ? sched::own_labels(*g) : nullptr;
  if (labels == nullptr) return std::nullopt;
  for (const auto& [name, value] : labels->pairs()) {
    if (name == key) return std::string(value);
  }
  return std::nullopt;
}

}  // namespace netpoll
