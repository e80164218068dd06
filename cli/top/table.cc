// Columns of each view, and their texts.
#include "cli/top/table.h"

#include <algorithm>
#include <cmath>

#include "exporters/goroutines/names.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using C = TopColumn;
using exporters::human_ns;

struct ColumnLook {
  TopColumn column;
  const char* heading;
  std::size_t width;  // the least, for one that is flexible
  Align align;
  bool cut_start = false;
  std::size_t most = 0;  // of one that takes what remains
};
constexpr ColumnLook kLooks[] = {
    {C::kPid, "PID", 7, Align::kRight},
    {C::kGoid, "GOID", 5, Align::kRight},
    {C::kTid, "TID", 7, Align::kRight},
    {C::kFd, "FD", 3, Align::kRight},
    {C::kCount, "COUNT", 9, Align::kRight},
    {C::kDelta, "DELTA", 9, Align::kRight},
    {C::kTrend, "TREND", 8, Align::kLeft, false, kTrendPoints},
    {C::kWait, "WAIT", 9, Align::kRight},
    {C::kState, "STATE", 12, Align::kLeft, false, 20},
    {C::kMode, "MODE", 12, Align::kLeft},
    {C::kReceived, "RECVQ", 7, Align::kRight},
    {C::kUnsent, "SENDQ", 7, Align::kRight},
    {C::kCpu, "CPU%", 6, Align::kRight},
    {C::kWaits, "WAITS/s", 9, Align::kRight},
    {C::kControls, "CTL/s", 9, Align::kRight},
    {C::kTcpState, "TCP", 11, Align::kLeft},
    {C::kPeer, "PEER", 15, Align::kLeft, true, 47},
    {C::kKey, "NAME", 16, Align::kLeft, false, 4096},
};

const ColumnLook& look_of(TopColumn column) {
  return *std::find_if(std::begin(kLooks), std::end(kLooks), [&](const ColumnLook& l) { return l.column == column; });
}

struct Wish {
  TopColumn column;
  int rank;  // 0: always there; the highest leaves first
};

// In the order in which they stand on the screen.
std::vector<Wish> wishes_of(const TopView& view) {
  switch (view.kind) {
    case TopView::Kind::kGoroutine:
      return {{C::kGoid, 0}, {C::kState, 0},    {C::kWait, 0},   {C::kDelta, 6}, {C::kTrend, 1},
              {C::kFd, 2},   {C::kReceived, 5}, {C::kUnsent, 5}, {C::kPeer, 3},  {C::kKey, 0}};
    case TopView::Kind::kFd:
      return {{C::kFd, 0},    {C::kMode, 1},  {C::kReceived, 0}, {C::kUnsent, 0},   {C::kDelta, 4},
              {C::kTrend, 2}, {C::kCount, 6}, {C::kWait, 5},     {C::kTcpState, 3}, {C::kKey, 0}};
    case TopView::Kind::kThread:
      return {{C::kTid, 0}, {C::kCpu, 0}, {C::kDelta, 3}, {C::kTrend, 1}, {C::kState, 0}, {C::kGoid, 2}, {C::kKey, 0}};
    case TopView::Kind::kProcess:
      return {{C::kPid, 0},   {C::kCpu, 0},      {C::kTrend, 1}, {C::kCount, 0},
              {C::kWaits, 2}, {C::kControls, 3}, {C::kState, 4}, {C::kKey, 0}};
    default:
      return {{C::kCount, 0},    {C::kDelta, 1},  {C::kTrend, 2}, {C::kWait, 3},
              {C::kReceived, 4}, {C::kUnsent, 5}, {C::kKey, 0}};
  }
}

std::string key_heading(const TopView& view) {
  switch (view.kind) {
    case TopView::Kind::kGoroutine:
    case TopView::Kind::kFunction:
      return "FUNCTION";
    case TopView::Kind::kPeer:
    case TopView::Kind::kFd:
      return "PEER";
    case TopView::Kind::kStack:
      return "STATE: STACK";
    case TopView::Kind::kState:
      return "STATE";
    case TopView::Kind::kLabel:
      return view.label;
    case TopView::Kind::kThread:
    case TopView::Kind::kProcess:
      break;
  }
  return "NAME";
}

// Of a function or a peer, the end tells most.
bool key_keeps_end(const TopView& view) {
  switch (view.kind) {
    case TopView::Kind::kGoroutine:
    case TopView::Kind::kFunction:
    case TopView::Kind::kPeer:
    case TopView::Kind::kFd:
      return true;
    default:
      return false;
  }
}

std::string number_text(const auto& value) { return value ? std::to_string(*value) : std::string(); }

// Columns that a number takes at least, and its sign of being sorted by.
std::size_t digits(std::uint64_t number) { return std::to_string(number).size() + 1; }

// The least width: numbers of all rows have to fit, since one that is cut is another number.
std::size_t least_width(TopColumn column, const TopModel& model) {
  std::uint64_t most = 0;
  if (column == C::kGoid || column == C::kFd) {
    for (std::size_t rank = 0; rank < model.size(); ++rank) {
      const RowItem& item = model.item(rank);
      if (column == C::kGoid && item.goroutine != nullptr) most = std::max(most, item.goroutine->goid);
      const int fd = item.entry != nullptr       ? item.entry->fd
                     : item.goroutine != nullptr ? item.goroutine->fd.value_or(0)
                                                 : 0;
      if (column == C::kFd) most = std::max(most, static_cast<std::uint64_t>(std::max(fd, 0)));
    }
  }
  // A stack has many names.
  const std::size_t least =
      column == C::kKey && model.view().kind == TopView::Kind::kStack ? 36 : look_of(column).width;
  return std::max(least, digits(most));
}

std::string wait_text(const TopRow& row) {
  if (!row.wait_ns || *row.wait_ns < 0) return {};
  return human_ns(static_cast<std::uint64_t>(*row.wait_ns)) + (row.wait_is_at_least ? "+" : "");
}

std::string rate_text(const std::optional<double>& rate) {
  return rate ? short_count(static_cast<std::uint64_t>(std::llround(*rate))) : std::string();
}

}  // namespace

std::string figure_text(float figure, TopFigure of) {
  if (std::isnan(figure)) return {};
  const auto whole = static_cast<std::uint64_t>(std::max(figure, 0.0F));
  if (of == TopFigure::kWait) return human_ns(whole);
  return of == TopFigure::kCpu ? exporters::fixed(static_cast<double>(figure), 1) + " %" : exporters::grouped(whole);
}

std::string delta_text(const std::optional<double>& delta, TopFigure figure) {
  if (!delta) return {};
  const double size = std::abs(*delta);
  std::string text;
  if (figure == TopFigure::kCpu) {
    text = exporters::fixed(size, 1);
    if (text == "0.0") return {};
  } else {
    const auto whole = static_cast<std::uint64_t>(std::llround(size));
    if (whole == 0) return {};
    text = figure == TopFigure::kWait ? human_ns(whole) : short_count(whole);
  }
  return (*delta > 0 ? "+" : "-") + text;
}

TopTable::TopTable(const TopModel& model, std::size_t width, bool several, TextRules rules)
    : model_(model), rules_(rules) {
  std::vector<Wish> wishes = wishes_of(model.view());
  const bool alone = !is_group(model.view());
  if (several && alone && model.view().kind != TopView::Kind::kProcess) wishes.insert(wishes.begin(), {C::kPid, 1});
  for (const Wish& wish : wishes) columns_.push_back({wish.column, least_width(wish.column, model)});
  const auto total = [&] {
    std::size_t sum = 0;
    for (const Placed& placed : columns_) sum += placed.width + 1;
    return sum == 0 ? 0 : sum - 1;
  };
  while (total() > width) {
    // The last of those of the highest rank.
    std::size_t least = 0;
    for (std::size_t i = 0; i < wishes.size(); ++i) {
      if (wishes[i].rank > 0 && wishes[i].rank >= wishes[least].rank) least = i;
    }
    if (wishes[least].rank == 0) break;
    wishes.erase(wishes.begin() + static_cast<std::ptrdiff_t>(least));
    columns_.erase(columns_.begin() + static_cast<std::ptrdiff_t>(least));
  }
  std::size_t left = width - std::min(width, total());
  // Peers and histories grow to a bound, names take all that is left.
  for (const TopColumn flexible : {C::kPeer, C::kState, C::kTrend, C::kKey}) {
    for (Placed& placed : columns_) {
      if (placed.column != flexible) continue;
      const ColumnLook& look = look_of(flexible);
      // A name needs some room before the others are made longer.
      const std::size_t kept = flexible == C::kKey ? 0 : left - left / 3;
      const std::size_t more = std::min(left - kept, look.most - std::min(look.most, placed.width));
      placed.width += more;
      left -= more;
    }
  }
}

std::string TopTable::heading() const {
  std::string line;
  for (const Placed& placed : columns_) {
    const ColumnLook& look = look_of(placed.column);
    std::string heading = placed.column == C::kKey ? drawable(key_heading(model_.view()), rules_) : look.heading;
    if (placed.column == model_.sort().column) heading += model_.sort().descending ? "-" : "+";
    line += (line.empty() ? "" : " ") + cell(heading, placed.width, look.align, false, rules_);
  }
  return line;
}

std::string TopTable::text(const TopRow& row, const Trend* trend, const Placed& placed) const {
  switch (placed.column) {
    case C::kPid:
      return number_text(row.pid);
    case C::kGoid:
      return number_text(row.goid);
    case C::kTid:
      return number_text(row.tid);
    case C::kFd:
      return number_text(row.fd);
    case C::kCount:
      return short_count(row.count);
    case C::kDelta:
      return delta_text(row.delta, figure_of(model_.view()));
    case C::kTrend:
      return trend == nullptr ? std::string() : sparkline(trend->points(), placed.width, rules_);
    case C::kWait:
      return wait_text(row);
    case C::kState:
      return row.state;
    case C::kMode:
      return row.mode;
    case C::kReceived:
      return row.recv_queue_bytes ? short_count(*row.recv_queue_bytes) : std::string();
    case C::kUnsent:
      return row.send_queue_bytes ? short_count(*row.send_queue_bytes) : std::string();
    case C::kCpu:
      return row.cpu_percent ? exporters::fixed(*row.cpu_percent, 1) : std::string();
    case C::kWaits:
      return rate_text(row.rates ? std::optional(row.rates->waits) : std::nullopt);
    case C::kControls:
      return rate_text(row.rates ? std::optional(row.rates->epoll_ctl) : std::nullopt);
    case C::kTcpState:
      return row.tcp_state;
    case C::kPeer:
      return row.peer.empty() && !row.local.empty() ? "(" + row.local + ")" : row.peer;
    case C::kKey:
      break;
  }
  const bool stack = model_.view().kind == TopView::Kind::kStack;
  const std::string key = stack ? exporters::without_pollers_frames(row.key) : row.key;
  return row.remark.empty() ? key : "[" + row.remark + "] " + key;
}

std::string TopTable::line(std::size_t rank) const {
  const TopRow row = model_.row(rank);
  const Trend* trend = model_.trend(rank);
  std::string line;
  bool first = true;
  for (const Placed& placed : columns_) {
    const ColumnLook& look = look_of(placed.column);
    const bool cut_start = placed.column == C::kKey ? key_keeps_end(model_.view()) : look.cut_start;
    if (!std::exchange(first, false)) line += ' ';
    line += cell(drawable(text(row, trend, placed), rules_), placed.width, look.align, cut_start, rules_);
  }
  return line;
}

}  // namespace netpoll::cli
