// Reads dumps line by line. A frame is a call and the place below it; what is neither is somebody else's line in the
// log.
#include "probes/goroutines/dump/dump.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>

#include "probes/goroutines/dump/dump_line.h"
#include "probes/goroutines/dump/line_prefix.h"
#include "probes/goroutines/dump/wait_site.h"
#include "probes/goroutines/go/frame_table.h"

namespace netpoll::probes {
namespace {

using trace::Frame;
using trace::Goroutine;

// Go's statuses (runtime/traceback.go, gStatusStrings); whatever else stands in the brackets is why one waits.
constexpr std::array<std::string_view, 9> kStatuses = {"idle", "runnable",  "running",   "syscall", "waiting",
                                                       "dead", "preempted", "copystack", "leaked"};

void set_state(Goroutine& g, const std::string& state) {
  const bool is_status = std::find(kStatuses.begin(), kStatuses.end(), state) != kStatuses.end();
  g.status = is_status ? state : "waiting";
  g.wait_reason = is_status ? "" : state;
  g.io_wait = state == "IO wait";
}

// One dump on its way.
class DumpBuilder {
 public:
  explicit DumpBuilder(std::size_t line) { dump_.first_line = dump_.last_line = line; }

  bool empty() const { return dump_.snapshot.goroutines.empty(); }
  std::size_t size() const { return dump_.snapshot.goroutines.size(); }
  void touch(std::size_t line) { dump_.last_line = line; }
  void set_counted() { dump_.counted = true; }
  bool counted() const { return dump_.counted; }
  void set_cut_short() { dump_.cut_short = true; }
  void add_place(DumpPlace place) { dump_.places.push_back(std::move(place)); }
  void add_secret(DumpSecret secret) { dump_.secrets.push_back(secret); }

  // Whether a goroutine with this goid, and a stack, is there. Threads' own goroutines are all number 0.
  bool has(std::uint64_t goid) const {
    const auto found = by_goid_.find(goid);
    return goid != 0 && found != by_goid_.end() && !dump_.snapshot.goroutines[found->second].stack.empty();
  }

  // A crash's dump has those that ran twice: without their stack, and from their thread.
  std::uint32_t add(std::uint64_t goid) {
    const auto [entry, is_new] = by_goid_.try_emplace(goid, static_cast<std::uint32_t>(size()));
    if (!is_new && goid != 0) return entry->second;
    auto& g = dump_.snapshot.goroutines.emplace_back();
    g.goid = goid;
    g.status = "unknown";
    dump_.poll_descs.emplace_back();
    return static_cast<std::uint32_t>(size() - 1);
  }

  Goroutine& goroutine(std::uint32_t index) { return dump_.snapshot.goroutines[index]; }
  void set_poll_desc(std::uint32_t index, std::optional<std::uint64_t> address) { dump_.poll_descs[index] = address; }

  std::uint32_t frame(Frame frame) {
    if (frame.function == "panic") frame.function = "runtime.gopanic";
    frame.hidden = is_runtime_internal(frame.function);
    std::string key = frame.function + '\0' + frame.file + '\0' + std::to_string(frame.line) + ' ' +
                      std::to_string(frame.pc) + ' ' + std::to_string(frame.entry_pc);
    const auto [entry, is_new] = frames_.try_emplace(std::move(key), dump_.snapshot.frames.size());
    if (is_new) dump_.snapshot.frames.push_back(std::move(frame));
    return static_cast<std::uint32_t>(entry->second);
  }

  // What it was started with: the outermost function that is not the runtime's own.
  void set_entry(Goroutine& g) const {
    const auto own = std::find_if(g.stack.rbegin(), g.stack.rend(),
                                  [&](std::uint32_t index) { return !dump_.snapshot.frames[index].hidden; });
    if (own != g.stack.rend()) g.entry = *own;
  }

  Dump take() && {
    dump_.snapshot.runtimes.push_back({.name = "dump"});
    return std::move(dump_);
  }

 private:
  Dump dump_;
  std::unordered_map<std::uint64_t, std::uint32_t> by_goid_;
  std::unordered_map<std::string, std::size_t> frames_;
};

class DumpReader {
 public:
  std::vector<Dump> read(std::string_view text) {
    text_ = text;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      ++line_number_;
      offset_ = begin;
      next_ = std::min(end + 1, text.size());
      std::string_view line = text.substr(begin, end - begin);
      if (line.ends_with('\r')) line.remove_suffix(1);
      last_has_newline_ = end < text.size();
      take(line);
      begin = end + 1;
    }
    if (in_goroutine_ && ends_in_the_middle()) {
      dumps_.back().set_cut_short();
      if (current_) current().stack_ends_early = "the dump ends here";
    }
    finish_goroutine();
    finish_profile();
    std::vector<Dump> done;
    for (DumpBuilder& dump : dumps_) {
      if (!dump.empty()) done.push_back(std::move(dump).take());
    }
    return done;
  }

 private:
  // What the line above was.
  enum class Above : std::uint8_t { kHeader, kCall, kCreator, kPlace, kNoStack, kElided, kOther };

  Goroutine& current() { return dumps_.back().goroutine(*current_); }

  void take(std::string_view line) {
    std::string_view rest = line;
    const bool has_prefix = prefix_.strip(rest);
    if (has_prefix && take_start(rest, static_cast<std::size_t>(rest.data() - line.data()))) return;
    if (find_start(line)) return;
    // In between others may write into the same log.
    if (!has_prefix) return;
    if (dumps_.empty()) return;
    if (dumps_.back().counted()) {
      take_counted(rest);
    } else if (in_goroutine_) {
      take_in_goroutine(rest);
    } else {
      take_between(rest);
    }
  }

  // A crash or SIGQUIT begins another dump, unless it is the next thread's part of one (GOTRACEBACK=crash).
  void take_between(std::string_view line) {
    if (line.empty()) return;
    for (const std::string_view start : {"SIGQUIT: quit", "panic: ", "fatal error: "}) {
      if (line.starts_with(start) && line_between_ != "-----") starts_anew_ = true;
    }
    line_between_ = line;
  }

  // A header or a profile's first line behind a prefix that is not known yet.
  bool find_start(std::string_view line) {
    constexpr std::size_t kLongestPrefix = 512;
    constexpr int kMostTries = 8;  // a line may be made of nothing but the word
    std::size_t at = line.substr(0, kLongestPrefix).find("goroutine");
    for (int tries = 0; tries < kMostTries && at != std::string_view::npos; ++tries) {
      // The word begins there.
      const char before = at == 0 ? ' ' : line[at - 1];
      const bool begins = (before | 0x20) < 'a' || (before | 0x20) > 'z';
      if (begins && before != '[') {
        const LinePrefix old = std::move(prefix_);
        prefix_ = LinePrefix(line.substr(0, at));
        if (take_start(line.substr(at), at)) return true;
        prefix_ = old;
      }
      at = line.substr(0, kLongestPrefix).find("goroutine", at + 1);
    }
    return false;
  }

  bool take_start(std::string_view line, std::size_t column) {
    if (auto header = parse_header_line(line)) {
      begin_goroutine(*header, offset_ + column);
      return true;
    }
    if (const auto total = parse_profile_line(line)) {
      finish_goroutine();
      finish_profile();
      begin_dump();
      dumps_.back().set_counted();
      profile_total_ = *total;
      return true;
    }
    return false;
  }

  void begin_dump() {
    dumps_.emplace_back(line_number_);
    kept_ = 0;
  }

  bool full() {
    if (goroutines_ < kMostGoroutines) return false;
    if (!dumps_.empty()) dumps_.back().set_cut_short();
    return true;
  }

  void hide(DumpSecret::Kind kind, std::string_view part) {
    if (part.empty()) return;
    const auto offset = static_cast<std::size_t>(part.data() - text_.data());
    dumps_.back().add_secret({.kind = kind, .offset = offset, .length = part.size()});
  }

  void begin_goroutine(HeaderLine& header, std::size_t offset) {
    finish_goroutine();
    if (full()) return;
    if (dumps_.empty() || dumps_.back().counted() || starts_anew_ || dumps_.back().has(header.goid)) {
      finish_profile();
      begin_dump();
    }
    starts_anew_ = false;
    DumpBuilder& dump = dumps_.back();
    dump.touch(line_number_);
    const std::size_t before = dump.size();
    current_ = dump.add(header.goid);
    goroutines_ += dump.size() - before;
    in_goroutine_ = true;
    above_ = Above::kHeader;
    site_ = {};
    Goroutine& g = current();
    set_state(g, header.state);
    constexpr std::uint64_t kMinute = 60'000'000'000;
    if (header.minutes && *header.minutes <= std::numeric_limits<std::int64_t>::max() / kMinute) {
      g.wait_at_least_ns = static_cast<std::int64_t>(*header.minutes * kMinute);
    }
    g.locked_to_thread = header.locked;
    g.system = header.goid == 0;
    g.labels = std::move(header.labels);
    g.remarks = std::move(header.remarks);
    for (const std::string_view value : header.label_values) hide(DumpSecret::Kind::kLabelValue, value);
    hide(DumpSecret::Kind::kLabels, header.label_braces);
    dump.add_place({.offset = offset + header.bracket_end,
                    .in_brackets = true,
                    .line_prefix = prefix_.sample(),
                    .goroutines = {*current_}});
  }

  void take_in_goroutine(std::string_view line) {
    dumps_.back().touch(line_number_);
    if (line.find_first_not_of(" \t") == std::string_view::npos) {
      finish_goroutine();
    } else if (const auto place = parse_place_line(line); place && !call_.empty()) {
      take_place(*place);
      above_ = Above::kPlace;
      complete_place_ = place->offset.has_value();
    } else if (is_no_stack_line(line)) {
      above_ = Above::kNoStack;
    } else if (is_elided_line(line)) {
      if (!in_ancestor_) current().stack_ends_early = "Go leaves out the middle of long stacks";
      above_ = Above::kElided;
    } else if (const auto ancestor = parse_ancestor_line(line)) {
      // Of whoever started it, as of then (GODEBUG=tracebackancestors).
      if (!in_ancestor_ && !current().parent_goid) current().parent_goid = ancestor;
      in_ancestor_ = true;
      above_ = Above::kOther;
    } else if (const auto creator = parse_creator_line(line)) {
      call_ = creator->function;
      is_creator_ = true;
      if (!in_ancestor_ && creator->goid) current().parent_goid = creator->goid;
      above_ = Above::kCreator;
    } else if (const auto call = parse_call_line(line)) {
      call_ = call->function;
      arguments_ = call->arguments;
      is_creator_ = false;
      hide(DumpSecret::Kind::kArguments, arguments_);
      above_ = Above::kCall;
    } else {
      call_ = {};
      above_ = Above::kOther;
    }
  }

  void take_place(const PlaceLine& place) {
    Frame frame;
    frame.function = call_;
    frame.file = place.file;
    frame.line = place.line;
    frame.pc = place.pc;
    if (place.pc != 0 && place.offset && *place.offset <= place.pc) frame.entry_pc = place.pc - *place.offset;
    const std::string_view function = call_;
    call_ = {};
    if (in_ancestor_) return;
    if (is_creator_) {
      current().created_by = dumps_.back().frame(std::move(frame));
      return;
    }
    add_call(site_, function, arguments_);
    current().stack.push_back(dumps_.back().frame(std::move(frame)));
  }

  void finish_goroutine() {
    if (!in_goroutine_) return;
    Goroutine& g = current();
    if (g.io_wait || g.status == "syscall") {
      g.mode = site_.mode;
      g.fd = site_.fd;
      if (g.fd) g.fd_source = trace::FdSource::kStack;
      if (g.status == "syscall") g.syscall = site_.syscall;
      dumps_.back().set_poll_desc(*current_, site_.poll_desc);
    }
    dumps_.back().set_entry(g);
    in_goroutine_ = false;
    in_ancestor_ = false;
    current_.reset();
    call_ = {};
  }

  // Whether the last line of the text is in the middle of a goroutine.
  bool ends_in_the_middle() const {
    switch (above_) {
      case Above::kHeader:
      case Above::kCall:
      case Above::kCreator:
        return true;
      case Above::kPlace:  // its line number may have had more digits
        return !last_has_newline_ && !complete_place_;
      case Above::kOther:
        return !last_has_newline_;
      case Above::kNoStack:
      case Above::kElided:
        return false;
    }
    return false;
  }

  void take_counted(std::string_view line) {
    DumpBuilder& dump = dumps_.back();
    if (const auto counted = parse_count_line(line)) {
      dump.touch(line_number_);
      group_ = {};
      site_ = {};
      kept_ += counted->count;
      if (full() || counted->count > kMostGoroutines - goroutines_ || !spend(counted->count * sizeof(Goroutine))) {
        dump.set_cut_short();
        return;
      }
      const auto count = static_cast<std::size_t>(counted->count);
      goroutines_ += count;
      for (std::size_t i = 0; i < count; ++i) group_.push_back(dump.add(0));
      dump.add_place({.offset = next_, .in_brackets = false, .line_prefix = prefix_.sample(), .goroutines = group_});
      return;
    }
    if (group_.empty() || !line.starts_with('#')) return;
    dump.touch(line_number_);
    constexpr std::string_view kLabels = "# labels: ";
    if (line.starts_with(kLabels)) {
      std::size_t used = 0;
      const auto labels = parse_labels(line.substr(kLabels.size()), used);
      hide(DumpSecret::Kind::kLabels, line.substr(kLabels.size()));
      if (!spend(line.size() * group_.size())) return dump.set_cut_short();
      for (const std::uint32_t index : group_) {
        if (labels) dump.goroutine(index).labels = *labels;
      }
      return;
    }
    const auto counted = parse_counted_frame_line(line);
    if (!counted) return;
    Frame frame;
    frame.function = counted->function;
    frame.file = counted->file;
    frame.line = counted->line;
    if (counted->pc != 0) frame.pc = counted->pc + 1;  // where the call returns to
    if (counted->offset && *counted->offset <= counted->pc) frame.entry_pc = counted->pc - *counted->offset;
    if (!spend(sizeof(std::uint32_t) * group_.size())) return dump.set_cut_short();
    add_call(site_, counted->function, {});
    const bool polls = counted->function == kPollWait;
    const std::uint32_t added = dump.frame(std::move(frame));
    for (const std::uint32_t index : group_) {
      Goroutine& g = dump.goroutine(index);
      g.stack.push_back(added);
      dump.set_entry(g);
      if (polls) set_state(g, "IO wait");
      if (g.io_wait) g.mode = site_.mode;
    }
  }

  // A few words of a text can stand for a great many goroutines, so what they may take is limited.
  bool spend(std::uint64_t bytes) {
    if (bytes > room_) return false;
    room_ -= bytes;
    return true;
  }

  // A profile says in its first line how many there are.
  void finish_profile() {
    if (profile_total_ && kept_ < *profile_total_) dumps_.back().set_cut_short();
    profile_total_.reset();
    group_ = {};
  }

  std::string_view text_;
  std::vector<DumpBuilder> dumps_;
  LinePrefix prefix_;
  std::size_t line_number_ = 0;
  std::size_t offset_ = 0;  // of the line
  std::size_t next_ = 0;    // and of the one behind it
  bool last_has_newline_ = true;
  std::size_t goroutines_ = 0;  // of all dumps

  bool starts_anew_ = false;
  std::string_view line_between_;  // the last one outside of goroutines that is not empty

  // Of the goroutine that is being read.
  bool in_goroutine_ = false;
  std::optional<std::uint32_t> current_;
  Above above_ = Above::kOther;
  bool complete_place_ = false;
  bool in_ancestor_ = false;
  bool is_creator_ = false;
  std::string_view call_;  // that waits for its place; empty: none
  std::string_view arguments_;
  WaitSite site_;

  // Of the profile that is being read.
  std::optional<std::uint64_t> profile_total_;
  std::uint64_t kept_ = 0;
  std::vector<std::uint32_t> group_;
  std::uint64_t room_ = std::uint64_t{1} << 30U;
};

}  // namespace

std::vector<Dump> parse_dumps(std::string_view text) { return DumpReader().read(text); }

}  // namespace netpoll::probes
