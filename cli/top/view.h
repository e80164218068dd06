// Views: the ways to put a sample into rows, and which columns each has.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/documents/goroutine_filter.h"
#include "cli/documents/goroutine_groups.h"
#include "cli/top/sample.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// By what a row is one.
struct TopView {
  enum class Kind : std::uint8_t { kGoroutine, kPeer, kFd, kStack, kFunction, kState, kThread, kProcess, kLabel };
  Kind kind = Kind::kGoroutine;
  std::string label;  // of kLabel

  std::string name() const;  // as in --by: "goroutine", "label:KEY"
  bool operator==(const TopView&) const = default;
};
// kInvalid for what is none.
Result<TopView> parse_view(const std::string& text);
std::vector<std::string> view_names();  // without labels
// Without goroutines a process has registrations, threads, and what they have in common.
bool needs_goroutines(const TopView& view);
// Whether a row stands for what several have in common, and so may come back.
bool is_group(const TopView& view);
TopFigure figure_of(const TopView& view);
TopDepth depth_of(const TopView& view);

enum class TopColumn : std::uint8_t {
  kPid,
  kGoid,
  kTid,
  kFd,
  kCount,
  kDelta,
  kTrend,
  kWait,
  kState,
  kMode,
  kReceived,
  kUnsent,
  kCpu,
  kWaits,
  kControls,
  kTcpState,
  kPeer,
  kKey
};
std::string_view column_name(TopColumn column);  // as in --sort
// The columns that a view can be sorted by.
std::vector<TopColumn> sortable_columns(const TopView& view);
TopColumn default_sort(const TopView& view);
// kInvalid for one that the view has not.
Result<TopColumn> parse_sort(const std::string& text, const TopView& view);

// Who a row is from one look to the next.
struct RowIdentity {
  pid_t pid = 0;  // 0: of all processes
  std::uint64_t number = 0;
  std::string text;

  bool operator==(const RowIdentity&) const = default;
};

struct RowIdentityHash {
  std::size_t operator()(const RowIdentity& id) const;
};

// A row, cheap enough for a hundred thousand. Pointers lead into the sample.
struct RowItem {
  RowIdentity identity;
  const ProcessSample* process = nullptr;       // null: of several
  const trace::Goroutine* goroutine = nullptr;  // of several, the one that has waited longest
  const probes::InterestEntry* entry = nullptr;
  int epfd = -1;  // of entry
  const ThreadSample* thread = nullptr;
  std::uint64_t count = 1;
  std::optional<std::int64_t> wait_ns;
  std::optional<std::uint64_t> recv_queue_bytes;
  std::optional<std::uint64_t> send_queue_bytes;
  bool reads = false, writes = false;  // somebody waits to

  // As a number; NaN where it is unknown.
  float figure(TopFigure figure) const;
};

// Which goroutines.
struct TopChoice {
  GoroutineFilter goroutines;  // of which `all` is true
  bool io_waits_only = false;
  bool system_too = false;  // the runtime's own
};

// In no order. A look that was not deep enough for the view has no rows of goroutines.
std::vector<RowItem> rows_of(const TopSample& sample, const TopView& view, const TopChoice& choice);

// Of the row of one goroutine or registration, the text of the group that it belongs to in a view of groups.
std::string group_of_row(const RowItem& item, const TopView& view);

// The row with its texts.
TopRow describe_row(const RowItem& item, const TopView& view);

}  // namespace netpoll::cli
