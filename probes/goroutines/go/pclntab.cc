// Checks the table once, and decodes what is asked for.
#include "probes/goroutines/go/pclntab.h"

#include <algorithm>
#include <array>
#include <map>

namespace netpoll::probes {
namespace {

constexpr std::uint32_t kMagic118 = 0xfffffff0;  // 1.18 and 1.19
constexpr std::uint32_t kMagic120 = 0xfffffff1;  // 1.20 and later
constexpr std::uint32_t kMagic116 = 0xfffffffa;
constexpr std::uint32_t kMagic12 = 0xfffffffb;  // 1.2 to 1.15
constexpr std::uint64_t kHeaderBytes = 8 + 8 * 8;
constexpr std::uint64_t kMaxFunctions = 1 << 24;
constexpr std::uint32_t kNone = 0xffffffff;

// Of _func, and counted in units of 4 bytes from its start.
constexpr unsigned kNameOff = 1;
constexpr unsigned kPcSp = 4;
constexpr unsigned kPcFile = 5;
constexpr unsigned kPcLine = 6;
constexpr unsigned kPcDataCount = 7;
constexpr unsigned kUnitOffset = 8;

// internal/abi: PCDATA_InlTreeIndex, FUNCDATA_InlTree.
constexpr std::uint32_t kInlineIndexTable = 2;
constexpr std::uint32_t kInlineTree = 3;
constexpr int kMaxInlined = 256;

// The wrappers of a program are counted on so many of its functions.
constexpr std::uint64_t kSampled = 1 << 14;

bool is_header(std::optional<std::uint32_t> magic, Bytes bytes) {
  if (!magic) return false;
  const auto zeros = bytes.at<std::uint16_t>(4);
  const auto quantum = bytes.at<std::uint8_t>(6).value_or(0);
  return zeros == 0 && (quantum == 1 || quantum == 4) && bytes.at<std::uint8_t>(7) == 8;
}

Error damaged(std::string what) {
  return Error(ErrorKind::kNotSupported, "the Go program's pclntab is damaged: " + std::move(what));
}

std::optional<PclntabPlace> place_at(std::uint64_t address, Bytes bytes) {
  const auto header = parse_pclntab_header(bytes);
  if (!header) return std::nullopt;
  return PclntabPlace{.address = address, .bytes = bytes, .header = *header};
}

// Without section headers: the bytes that every table begins with are searched for.
std::optional<PclntabPlace> search(const Image& image, std::uint32_t magic) {
  for (const AddressRange& segment : image.segments()) {
    const Bytes bytes = image.at(segment.begin);
    const std::string needle = {static_cast<char>(magic & 0xff), '\xff', '\xff', '\xff', '\0', '\0'};
    for (auto at = bytes.find(needle); at; at = bytes.find(needle, *at + 1)) {
      if (auto place = place_at(segment.begin + *at, bytes.from(*at))) return place;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<PclntabHeader> parse_pclntab_header(Bytes bytes) {
  const auto magic = bytes.at<std::uint32_t>(0);
  if (!is_header(magic, bytes) || (*magic != kMagic118 && *magic != kMagic120)) return std::nullopt;
  std::array<std::uint64_t, 8> words{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto word = bytes.at<std::uint64_t>(8 + 8 * i);
    if (!word) return std::nullopt;
    words[i] = *word;
  }
  PclntabHeader h{.before_1_20 = *magic == kMagic118,
                  .quantum = *bytes.at<std::uint8_t>(6),
                  .functions = words[0],
                  .names = words[3],
                  .units = words[4],
                  .files = words[5],
                  .pc_values = words[6],
                  .functab = words[7]};
  const bool ordered = kHeaderBytes <= h.names && h.names < h.units && h.units <= h.files && h.files < h.pc_values &&
                       h.pc_values < h.functab && h.functab < bytes.size();
  if (!ordered || h.functions == 0 || h.functions > kMaxFunctions) return std::nullopt;
  if ((bytes.size() - h.functab) / 8 <= h.functions) return std::nullopt;
  return h;
}

Result<std::optional<PclntabPlace>> find_pclntab(const Image& image) {
  bool has_section = false;
  for (const char* name : {".gopclntab", ".data.rel.ro.gopclntab"}) {
    const auto section = image.section(name);
    if (!section) continue;
    has_section = true;
    const Bytes bytes = image.at(*section);
    if (auto place = place_at(section->begin, bytes)) return place;
    const auto magic = bytes.at<std::uint32_t>(0);
    if (is_header(magic, bytes) && (*magic == kMagic116 || *magic == kMagic12)) {
      return Error(ErrorKind::kNotSupported, "the program was built with a Go before 1.18 (by its pclntab)");
    }
  }
  for (const std::uint32_t magic : {kMagic120, kMagic118}) {
    if (auto place = search(image, magic)) return place;
  }
  if (has_section) return damaged("its header is none that we know");
  return std::optional<PclntabPlace>();
}

Result<Pclntab> Pclntab::open(const PclntabPlace& place, const AddressRange& text, Bytes inline_trees) {
  Pclntab table(place, text, inline_trees);
  const Bytes functab = place.bytes.from(place.header.functab);
  std::uint32_t before = 0;
  for (std::uint64_t i = 0; i < place.header.functions; ++i) {
    const auto entry = functab.at<std::uint32_t>(i * 8);
    const auto record = functab.at<std::uint32_t>(i * 8 + 4);
    if (!entry || !record || *entry < before || *record >= functab.size()) {
      return damaged("entry " + std::to_string(i) + " of its table of functions is out of order");
    }
    before = *entry;
  }
  if (before >= text.end - text.begin) return damaged("functions outside of the program's code");
  table.find_wrapper_id();
  return table;
}

// The number of wrappers changes with the version (internal/abi/symtab.go, FuncIDWrapper): 21, 22, 23. All other
// numbers stand for one function each, so that the most frequent is it.
void Pclntab::find_wrapper_id() {
  std::array<std::uint64_t, 256> seen{};
  const std::uint64_t step = std::max<std::uint64_t>(1, header_.functions / kSampled);
  for (std::uint64_t i = 0; i < header_.functions; i += step) {
    if (const auto f = function_of_index(i)) ++seen[function_id(*f)];
  }
  const auto most = std::max_element(seen.begin() + 1, seen.end());
  if (*most > 1) wrapper_id_ = static_cast<std::uint8_t>(most - seen.begin());
}

std::optional<GoFunction> Pclntab::function_of_index(std::uint64_t index) const {
  if (index >= header_.functions) return std::nullopt;
  const std::uint64_t at = header_.functab + index * 8;
  const auto entry = bytes_.at<std::uint32_t>(at);
  const auto record = bytes_.at<std::uint32_t>(at + 4);
  const auto end = bytes_.at<std::uint32_t>(at + 8);
  if (!entry || !record || !end) return std::nullopt;
  return GoFunction{
      .entry = text_.begin + *entry, .end = text_.begin + *end, .record = header_.functab + std::uint64_t{*record}};
}

std::optional<GoFunction> Pclntab::function_at(std::uint64_t pc) const {
  if (!text_.holds(pc)) return std::nullopt;
  const std::uint64_t offset = pc - text_.begin;
  std::uint64_t low = 0;
  std::uint64_t high = header_.functions;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    const auto entry = bytes_.at<std::uint32_t>(header_.functab + middle * 8);
    if (entry && *entry <= offset) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const auto found = function_of_index(low);
  if (!found || pc < found->entry || pc >= found->end) return std::nullopt;
  return found;
}

std::vector<std::optional<GoFunction>> Pclntab::functions_named(std::span<const std::string_view> names) const {
  std::vector<std::optional<GoFunction>> found(names.size());
  // Names are stored once each, one behind the other.
  std::vector<std::pair<std::uint32_t, std::size_t>> offsets;  // and which name it is
  const Bytes stored = bytes_.from(header_.names).first(header_.units - header_.names);
  const std::string_view text(reinterpret_cast<const char*>(stored.data()), stored.size());
  for (std::size_t begin = 0, end = 0; (end = text.find('\0', begin)) != std::string_view::npos; begin = end + 1) {
    const auto name = std::find(names.begin(), names.end(), text.substr(begin, end - begin));
    const auto which = static_cast<std::size_t>(name - names.begin());
    const auto taken = [&](const auto& o) { return o.second == which; };
    if (name == names.end() || std::any_of(offsets.begin(), offsets.end(), taken)) continue;
    offsets.emplace_back(static_cast<std::uint32_t>(begin), which);
    if (offsets.size() == names.size()) break;
  }
  std::size_t missing = offsets.size();
  for (std::uint64_t i = 0; i < header_.functions && missing > 0; ++i) {
    const auto f = function_of_index(i);
    const auto offset = f ? bytes_.at<std::uint32_t>(f->record + 4 * kNameOff) : std::nullopt;
    if (!offset) continue;
    const auto which = std::find_if(offsets.begin(), offsets.end(), [&](const auto& o) { return o.first == *offset; });
    if (which == offsets.end() || found[which->second]) continue;
    found[which->second] = f;
    --missing;
  }
  return found;
}

std::string_view Pclntab::name_at(std::uint64_t offset) const {
  if (offset >= header_.units - header_.names) return {};
  return bytes_.text(header_.names + offset).value_or(std::string_view());
}

std::string_view Pclntab::name(const GoFunction& function) const {
  const auto offset = bytes_.at<std::uint32_t>(function.record + 4 * kNameOff);
  return offset ? name_at(*offset) : std::string_view();
}

std::uint8_t Pclntab::function_id(const GoFunction& function) const {
  return bytes_.at<std::uint8_t>(function.record + (header_.before_1_20 ? 36 : 40)).value_or(0);
}

bool Pclntab::is_wrapper(const GoFunction& function) const {
  return wrapper_id_ != 0 && function_id(function) == wrapper_id_;
}

// internal/abi/symtab.go, FuncFlagTopFrame and FuncFlagSPWrite.
bool Pclntab::is_outermost(const GoFunction& function) const { return (function_flags(function) & 1) != 0; }
bool Pclntab::moves_stack(const GoFunction& function) const { return (function_flags(function) & 2) != 0; }

std::uint8_t Pclntab::function_flags(const GoFunction& function) const {
  return bytes_.at<std::uint8_t>(function.record + (header_.before_1_20 ? 37 : 41)).value_or(0);
}

std::optional<std::int32_t> Pclntab::value(std::uint32_t table, const GoFunction& function, std::uint64_t pc) const {
  if (table == 0) return std::nullopt;
  std::uint64_t at = header_.pc_values + table;
  std::uint32_t value = 0xffffffff;  // -1; sums wrap
  std::uint64_t reached = function.entry;
  for (bool first = true;; first = false) {
    if (budget_ == 0) return std::nullopt;
    --budget_;
    const auto delta = bytes_.uvarint(at);
    if (!delta || (*delta == 0 && !first)) return std::nullopt;
    value += static_cast<std::uint32_t>((*delta >> 1) ^ (~(*delta & 1) + 1));
    const auto advance = bytes_.uvarint(at);
    if (!advance || *advance > function.end - function.entry) return std::nullopt;
    reached += *advance * header_.quantum;
    if (pc < reached) return static_cast<std::int32_t>(value);
    if (reached >= function.end) return std::nullopt;
  }
}

std::optional<std::int32_t> Pclntab::field_value(const GoFunction& function, unsigned field, std::uint64_t pc) const {
  const auto table = bytes_.at<std::uint32_t>(function.record + std::uint64_t{4} * field);
  return table ? value(*table, function, pc) : std::nullopt;
}

std::optional<std::int32_t> Pclntab::frame_size(const GoFunction& function, std::uint64_t pc) const {
  const auto size = field_value(function, kPcSp, pc);
  return size && *size >= 0 ? size : std::nullopt;
}

std::optional<std::int32_t> Pclntab::inline_index(const GoFunction& function, std::uint64_t pc) const {
  const auto count = bytes_.at<std::uint32_t>(function.record + 4 * kPcDataCount);
  if (!count || *count <= kInlineIndexTable) return std::nullopt;
  const std::uint64_t at = function.record + (header_.before_1_20 ? 40 : 44) + 4 * kInlineIndexTable;
  const auto table = bytes_.at<std::uint32_t>(at);
  const auto index = table ? value(*table, function, pc) : std::nullopt;
  return index && *index >= 0 ? index : std::nullopt;
}

Bytes Pclntab::inline_tree(const GoFunction& function) const {
  const auto pcdata = bytes_.at<std::uint32_t>(function.record + 4 * kPcDataCount);
  const auto funcdata = bytes_.at<std::uint8_t>(function.record + (header_.before_1_20 ? 39 : 43));
  if (!pcdata || !funcdata || *funcdata <= kInlineTree) return {};
  const std::uint64_t at = function.record + (header_.before_1_20 ? 40 : 44) + 4 * std::uint64_t{*pcdata};
  const auto offset = bytes_.at<std::uint32_t>(at + 4 * kInlineTree);
  return offset && *offset != kNone ? inline_trees_.from(*offset) : Bytes();
}

std::string_view Pclntab::file_of(const GoFunction& function, std::int32_t number) const {
  const auto unit = bytes_.at<std::uint32_t>(function.record + 4 * kUnitOffset);
  if (!unit || *unit == kNone || number < 0) return {};
  const std::uint64_t at = header_.units + 4 * (std::uint64_t{*unit} + static_cast<std::uint32_t>(number));
  const auto offset = at < header_.files ? bytes_.at<std::uint32_t>(at) : std::nullopt;
  if (!offset || *offset >= header_.pc_values - header_.files) return {};
  return bytes_.text(header_.files + *offset).value_or(std::string_view());
}

GoLine Pclntab::line_at(const GoFunction& function, std::uint64_t pc) const {
  GoLine line;
  if (const auto file = field_value(function, kPcFile, pc)) line.file = file_of(function, *file);
  if (const auto number = field_value(function, kPcLine, pc)) line.line = std::max(0, *number);
  return line;
}

std::vector<GoLine> Pclntab::lines(const GoFunction& function, std::uint64_t pc) const {
  std::vector<GoLine> found;
  GoLine here = line_at(function, pc);
  const Bytes tree = inline_tree(function);
  auto index = tree.empty() ? std::nullopt : inline_index(function, pc);
  while (index && found.size() < kMaxInlined) {
    const std::uint64_t record = static_cast<std::uint64_t>(*index) * (header_.before_1_20 ? 20 : 16);
    const auto id = tree.at<std::uint8_t>(record + (header_.before_1_20 ? 2 : 0));
    const auto name = tree.at<std::int32_t>(record + (header_.before_1_20 ? 12 : 4));
    const auto parent_pc = tree.at<std::int32_t>(record + (header_.before_1_20 ? 16 : 8));
    if (!id || !name || !parent_pc || *name < 0) break;
    here.function = name_at(static_cast<std::uint32_t>(*name));
    here.inlined = true;
    here.wrapper = wrapper_id_ != 0 && *id == wrapper_id_;
    found.push_back(here);
    if (header_.before_1_20) {
      const auto parent = tree.at<std::int16_t>(record);
      const auto file = tree.at<std::int32_t>(record + 4);
      const auto number = tree.at<std::int32_t>(record + 8);
      here = GoLine{.file = file_of(function, *file), .line = std::max(0, *number)};
      index = *parent >= 0 ? std::optional<std::int32_t>(*parent) : std::nullopt;
    } else {
      const std::uint64_t call = function.entry + static_cast<std::uint32_t>(*parent_pc);
      here = line_at(function, call);
      index = inline_index(function, call);
    }
  }
  here.function = name(function);
  here.inlined = false;
  here.wrapper = is_wrapper(function);
  found.push_back(here);
  return found;
}

std::string printed_name(std::string_view name) {
  const std::size_t open = name.find('[');
  const std::size_t close = name.rfind(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::string(name);
  return std::string(name.substr(0, open)).append("[...]").append(name.substr(close + 1));
}

}  // namespace netpoll::probes
