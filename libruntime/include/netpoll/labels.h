// Labels: what a goroutine works on, for whoever looks at it from outside (Go: pprof.Do).
//
//   netpoll::with_labels({{"request", id}, {"peer", name}}, [&] { serve(request); });
//
// Snapshots, dumps and profiles show them. A goroutine without labels costs nothing.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace netpoll {

struct Label {
  std::string_view key;
  std::string_view value;
};

namespace sched {
class SharedLabels;
}

namespace detail {
// The calling goroutine has these labels, on top of those it had, until the scope ends.
class LabelScope {
 public:
  explicit LabelScope(std::span<const Label> labels);
  ~LabelScope();
  LabelScope(const LabelScope&) = delete;
  LabelScope& operator=(const LabelScope&) = delete;

 private:
  const sched::SharedLabels* previous_;
};
}  // namespace detail

// Calls f with these labels on the calling goroutine and returns what f returned; afterwards, also when f throws, the
// goroutine has the labels that it had before. Goroutines that f starts inherit them for their whole life. A key that
// the goroutine has already gets the new value; of equal keys in labels the last one counts. The texts are copied.
// More than 64 KiB of them are fatal, as is a call outside of goroutines.
template <typename F>
auto with_labels(std::span<const Label> labels, F&& f) -> decltype(f()) {
  const detail::LabelScope scope(labels);
  return std::forward<F>(f)();
}
template <typename F>
auto with_labels(std::initializer_list<Label> labels, F&& f) -> decltype(f()) {
  const detail::LabelScope scope(std::span<const Label>(labels.begin(), labels.size()));
  return std::forward<F>(f)();
}

// The value of one of the calling goroutine's labels; nothing when it has no such label, and outside of goroutines.
std::optional<std::string> label(std::string_view key);

}  // namespace netpoll
