// TopModel: the newest sample as rows: filtered, sorted, with the history of each. Knows no terminal.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/top/trends.h"
#include "cli/top/view.h"

namespace netpoll::cli {

struct TopSort {
  TopColumn column = TopColumn::kWait;
  bool descending = true;

  bool operator==(const TopSort&) const = default;
};
// Large numbers first, and texts from A on.
bool default_descending(TopColumn column);

// Each setter takes effect at once. One thread.
class TopModel {
 public:
  TopModel(TopView view, std::optional<TopSort> sort, TopChoice choice, std::string filter);

  // Whoever wants to see an older sample again has to keep it.
  void take(std::shared_ptr<const TopSample> sample);
  // Null before the first.
  const TopSample* sample() const { return sample_.get(); }
  // When the looks were, oldest first, as far as trends go back.
  const std::vector<std::chrono::system_clock::time_point>& looks() const { return looks_; }

  const TopView& view() const { return view_; }
  void set_view(TopView view);  // trends begin anew, and the view's own order
  const TopSort& sort() const { return sort_; }
  void set_sort(TopSort sort);
  const std::string& filter() const { return filter_; }
  void set_filter(std::string filter);  // text that a row has somewhere; upper and lower case are the same
  bool io_waits_only() const { return choice_.io_waits_only; }
  void set_io_waits_only(bool only);

  std::size_t total() const { return items_.size(); }  // rows before the filter
  std::size_t size() const { return order_.size(); }
  const RowItem& item(std::size_t rank) const { return items_[order_[rank]]; }
  TopRow row(std::size_t rank) const;
  // Null for a row that has none.
  const Trend* trend(std::size_t rank) const { return trends_.find(item(rank).identity); }
  std::optional<std::size_t> rank_of(const RowIdentity& identity) const;

  // The goroutines or registrations that are together in the row of a group, the longest wait first.
  std::vector<RowItem> members(const std::string& key) const;
  // The process of a goroutine of the sample.
  const ProcessSample* process_of(const trace::Goroutine& goroutine) const;

  // What is shown, for the document.
  TopDocument document(std::size_t most) const;

 private:
  void make_items();
  void arrange();
  bool matches(const RowItem& item) const;

  TopView view_;
  TopSort sort_;
  TopChoice choice_;
  std::string filter_;
  std::shared_ptr<const TopSample> sample_;
  std::vector<std::chrono::system_clock::time_point> looks_;
  std::vector<RowItem> items_;
  std::vector<std::uint32_t> order_;  // indices of those that match, sorted
  Trends trends_;
};

// Whether text has part in it, whatever the case of ASCII letters.
bool contains_folded(std::string_view text, std::string_view part);

}  // namespace netpoll::cli
