// Filters and sorts rows, and remembers their figures.
#include "cli/top/model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "exporters/goroutines/names.h"

namespace netpoll::cli {
namespace {

char folded(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool is_text(TopColumn column) {
  switch (column) {
    case TopColumn::kState:
    case TopColumn::kMode:
    case TopColumn::kTcpState:
    case TopColumn::kPeer:
    case TopColumn::kKey:
      return true;
    default:
      return false;
  }
}

// What rows are sorted by: a number, or a text. What is unknown comes last either way.
struct SortKey {
  double number = std::numeric_limits<double>::quiet_NaN();
  std::string text;
};

double number_of(const RowItem& item, const TopRow& row, TopColumn column, const Trend* trend) {
  const auto known = [](const auto& value) {
    return value ? static_cast<double>(*value) : std::numeric_limits<double>::quiet_NaN();
  };
  switch (column) {
    case TopColumn::kPid:
      return known(row.pid);
    case TopColumn::kGoid:
      return known(row.goid);
    case TopColumn::kTid:
      return known(row.tid);
    case TopColumn::kFd:
      return known(row.fd);
    case TopColumn::kCount:
      return static_cast<double>(row.count);
    case TopColumn::kDelta:
    case TopColumn::kTrend:
      return trend == nullptr ? known(std::optional<double>()) : known(trend->delta());
    case TopColumn::kWait:
      return known(item.wait_ns);
    case TopColumn::kReceived:
      return known(item.recv_queue_bytes);
    case TopColumn::kUnsent:
      return known(item.send_queue_bytes);
    case TopColumn::kCpu:
      return known(row.cpu_percent);
    case TopColumn::kWaits:
      return row.rates ? row.rates->waits : known(std::optional<double>());
    case TopColumn::kControls:
      return row.rates ? row.rates->epoll_ctl : known(std::optional<double>());
    default:
      return known(std::optional<double>());
  }
}

std::string text_of(TopRow row, TopColumn column) {
  switch (column) {
    case TopColumn::kState:
      return std::move(row.state);
    case TopColumn::kMode:
      return std::move(row.mode);
    case TopColumn::kTcpState:
      return std::move(row.tcp_state);
    case TopColumn::kPeer:
      return row.peer.empty() ? std::move(row.local) : std::move(row.peer);
    default:
      return std::move(row.key);
  }
}

// Columns that need no texts of the row, which are the most of the time of sorting a hundred thousand.
bool is_in_item(TopColumn column) {
  return column == TopColumn::kWait || column == TopColumn::kReceived || column == TopColumn::kUnsent ||
         column == TopColumn::kCount || column == TopColumn::kDelta;
}

bool identity_less(const RowIdentity& a, const RowIdentity& b) {
  return std::tie(a.pid, a.number, a.text) < std::tie(b.pid, b.number, b.text);
}

}  // namespace

bool contains_folded(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return folded(a) == folded(b); }) != text.end() ||
         part.empty();
}

bool default_descending(TopColumn column) {
  return !is_text(column) && column != TopColumn::kPid && column != TopColumn::kGoid && column != TopColumn::kTid &&
         column != TopColumn::kFd;
}

TopModel::TopModel(TopView view, std::optional<TopSort> sort, TopChoice choice, std::string filter)
    : view_(std::move(view)), choice_(std::move(choice)), filter_(std::move(filter)) {
  choice_.goroutines.all = true;
  const TopColumn column = default_sort(view_);
  sort_ = sort.value_or(TopSort{column, default_descending(column)});
}

void TopModel::take(std::shared_ptr<const TopSample> sample) {
  sample_ = std::move(sample);
  looks_.push_back(sample_->taken_at);
  if (looks_.size() > kTrendPoints) looks_.erase(looks_.begin());
  make_items();
  arrange();
}

void TopModel::make_items() {
  if (!sample_) return;
  items_ = rows_of(*sample_, view_, choice_);
  trends_.add(sample_->look, items_, figure_of(view_), is_group(view_));
}

void TopModel::set_view(TopView view) {
  if (view == view_) return;
  view_ = std::move(view);
  const TopColumn column = default_sort(view_);
  sort_ = {column, default_descending(column)};
  trends_.clear();
  make_items();
  arrange();
}

void TopModel::set_sort(TopSort sort) {
  sort_ = sort;
  arrange();
}

void TopModel::set_filter(std::string filter) {
  filter_ = std::move(filter);
  arrange();
}

void TopModel::set_io_waits_only(bool only) {
  choice_.io_waits_only = only;
  trends_.clear();
  make_items();
  arrange();
}

// In anything that is shown of it, and in what a goroutine is known by: labels, addresses, functions of its stack.
bool TopModel::matches(const RowItem& item) const {
  const TopRow row = describe_row(item, view_);
  const auto number = [](const auto& value) { return value ? std::to_string(*value) : std::string(); };
  for (const std::string& text : {row.key, row.state, row.mode, row.local, row.peer, row.tcp_state, row.comm,
                                  row.remark, number(row.goid), number(row.fd), number(row.tid), number(row.pid)}) {
    if (contains_folded(text, filter_)) return true;
  }
  if (view_.kind != TopView::Kind::kGoroutine || item.goroutine == nullptr) return false;
  for (const auto& [key, value] : item.goroutine->labels) {
    if (contains_folded(key + "=" + value, filter_)) return true;
  }
  const trace::GoroutineSnapshot& snapshot = *item.process->goroutines;
  return std::any_of(item.goroutine->stack.begin(), item.goroutine->stack.end(), [&](std::uint32_t index) {
    const trace::Frame* frame = exporters::frame_at(snapshot, index);
    return frame != nullptr && contains_folded(frame->function, filter_);
  });
}

void TopModel::arrange() {
  order_.clear();
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (filter_.empty() || matches(items_[i])) order_.push_back(static_cast<std::uint32_t>(i));
  }
  const bool text = is_text(sort_.column);
  std::vector<SortKey> keys(items_.size());
  for (const std::uint32_t index : order_) {
    const RowItem& item = items_[index];
    TopRow row = is_in_item(sort_.column) ? TopRow{} : describe_row(item, view_);
    if (text) {
      keys[index].text = text_of(std::move(row), sort_.column);
      continue;
    }
    row.count = item.count;
    const bool wants_trend = sort_.column == TopColumn::kDelta;
    keys[index].number = number_of(item, row, sort_.column, wants_trend ? trends_.find(item.identity) : nullptr);
  }
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    if (text) {
      const std::string &x = keys[a].text, &y = keys[b].text;
      if (x.empty() != y.empty()) return y.empty();
      if (x != y) return (x < y) != sort_.descending;
    } else {
      const double x = keys[a].number, y = keys[b].number;
      if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
      if (!std::isnan(x) && x != y) return (x < y) != sort_.descending;
    }
    return identity_less(items_[a].identity, items_[b].identity);
  };
  std::sort(order_.begin(), order_.end(), before);
}

TopRow TopModel::row(std::size_t rank) const {
  TopRow row = describe_row(item(rank), view_);
  if (const Trend* known = trend(rank)) row.delta = known->delta();
  return row;
}

std::optional<std::size_t> TopModel::rank_of(const RowIdentity& identity) const {
  for (std::size_t rank = 0; rank < order_.size(); ++rank) {
    if (items_[order_[rank]].identity == identity) return rank;
  }
  return std::nullopt;
}

std::vector<RowItem> TopModel::members(const std::string& key) const {
  std::vector<RowItem> members;
  if (!sample_) return members;
  // Each alone: goroutines by themselves, registrations by descriptor.
  for (const auto kind : {TopView::Kind::kGoroutine, TopView::Kind::kFd}) {
    for (RowItem& item : rows_of(*sample_, {.kind = kind, .label = {}}, choice_)) {
      const bool wanted = kind == TopView::Kind::kGoroutine ? item.goroutine != nullptr : item.entry != nullptr;
      if (wanted && group_of_row(item, view_) == key) members.push_back(std::move(item));
    }
  }
  std::stable_sort(members.begin(), members.end(),
                   [](const RowItem& a, const RowItem& b) { return a.wait_ns > b.wait_ns; });
  return members;
}

const ProcessSample* TopModel::process_of(const trace::Goroutine& goroutine) const {
  for (const ProcessSample& process : sample_->processes) {
    if (!process.goroutines) continue;
    const auto& all = process.goroutines->goroutines;
    if (std::less_equal<>()(all.data(), &goroutine) && std::less<>()(&goroutine, all.data() + all.size()))
      return &process;
  }
  return nullptr;
}

TopDocument TopModel::document(std::size_t most) const {
  TopDocument top;
  if (!sample_) return top;
  top.taken_at = sample_->taken_at;
  top.took = sample_->took;
  top.look = sample_->look;
  for (const ProcessSample& process : sample_->processes) top.processes.push_back(process.facts);
  top.backend = sample_->backend;
  top.overhead_note = sample_->overhead_note;
  top.notes = sample_->notes;
  for (const std::string& ended : sample_->ended) top.notes.push_back(ended + " has ended");
  top.by = view_.name();
  top.figure = figure_of(view_);
  top.sort = column_name(sort_.column);
  top.descending = sort_.descending;
  top.filter = filter_;
  top.total = total();
  top.matching = size();
  for (std::size_t rank = 0; rank < std::min(most, size()); ++rank) top.rows.push_back(row(rank));
  return top;
}

}  // namespace netpoll::cli
