// Finds type descriptors by name, and decodes their fields.
#include "probes/goroutines/go/type_metadata.h"

#include <algorithm>

namespace netpoll::probes {
namespace {

// Offsets in abi.Type.
constexpr std::uint64_t kFlags = 20;
constexpr std::uint64_t kKind = 23;
constexpr std::uint64_t kName = 40;
constexpr std::uint64_t kTypeBytes = 48;
// Of abi.StructType.
constexpr std::uint64_t kFields = 56;
constexpr std::uint64_t kStructBytes = 80;
constexpr std::uint64_t kFieldBytes = 24;

constexpr std::uint8_t kExtraStar = 2;  // the name has a "*" in front that does not belong to it
constexpr std::uint8_t kKindMask = 0x1f;
constexpr std::uint64_t kMaxFields = 300;
constexpr std::uint64_t kMaxNameBytes = 256;
constexpr std::size_t kMaxNamesakes = 64;

// Offsets of the places where text stands as a name.
std::vector<std::uint32_t> names_of(Bytes types, std::string_view text) {
  std::vector<std::uint32_t> found;
  std::string encoded(1, static_cast<char>(text.size()));
  encoded += text;
  for (auto at = types.find(encoded); at && found.size() < kMaxNamesakes; at = types.find(encoded, *at + 1)) {
    if (*at > 0 && *at <= 0xffffffff) found.push_back(static_cast<std::uint32_t>(*at - 1));
  }
  return found;
}

bool contains(const std::vector<std::uint32_t>& offsets, std::uint32_t offset) {
  return std::find(offsets.begin(), offsets.end(), offset) != offsets.end();
}

}  // namespace

const GoField* GoStruct::find(std::string_view name) const {
  for (const GoField& f : fields) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

std::optional<std::uint64_t> find_descriptor(Bytes types, std::string_view name, GoKind kind) {
  const auto starred = names_of(types, "*" + std::string(name));
  const auto plain = names_of(types, name);
  if (starred.empty() && plain.empty()) return std::nullopt;
  for (std::uint64_t at = 0; at + kTypeBytes <= types.size(); at += 8) {
    const std::uint32_t offset = *types.at<std::uint32_t>(at + kName);
    const std::uint8_t kind_here = *types.at<std::uint8_t>(at + kKind) & kKindMask;
    if (kind_here != static_cast<std::uint8_t>(kind)) continue;
    const bool star = (*types.at<std::uint8_t>(at + kFlags) & kExtraStar) != 0;
    if (contains(star ? starred : plain, offset)) return at;
  }
  return std::nullopt;
}

std::optional<std::vector<GoField>> parse_fields(Bytes fields, std::uint64_t struct_size,
                                                 std::vector<std::uint64_t>& names) {
  std::vector<GoField> found;
  for (std::uint64_t at = 0; at + kFieldBytes <= fields.size(); at += kFieldBytes) {
    names.push_back(*fields.at<std::uint64_t>(at));
    found.push_back(
        {.name = {}, .type = *fields.at<std::uint64_t>(at + 8), .offset = *fields.at<std::uint64_t>(at + 16)});
  }
  // Go 1.18 keeps a bit in the lowest place of the offset: whether the field is embedded.
  if (!found.empty() && found.back().offset > struct_size) {
    for (GoField& f : found) f.offset >>= 1;
  }
  std::uint64_t before = 0;
  for (const GoField& f : found) {
    if (f.offset < before || f.offset > struct_size) return std::nullopt;
    before = f.offset;
  }
  return found;
}

std::optional<std::string> parse_go_name(Bytes bytes) {
  std::uint64_t at = 1;
  const auto length = bytes.uvarint(at);
  if (!length || *length > kMaxNameBytes || bytes.from(at).size() < *length) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes.data()) + at, *length);
}

std::optional<std::uint64_t> TypeMetadata::find(std::string_view name, GoKind kind) const {
  const auto at = find_descriptor(bytes_, name, kind);
  return at ? std::optional(types_.begin + *at) : std::nullopt;
}

std::optional<GoStruct> TypeMetadata::find_struct(std::string_view name) const {
  const auto descriptor = find(name, GoKind::kStruct);
  return descriptor ? struct_at(*descriptor) : std::nullopt;
}

std::optional<GoStruct> TypeMetadata::struct_at(std::uint64_t descriptor) const {
  std::vector<std::byte> head(kStructBytes);
  if (!memory_.read(descriptor, head.data(), head.size())) return std::nullopt;
  const Bytes bytes(head);
  const std::uint64_t size = *bytes.at<std::uint64_t>(0);
  const std::uint64_t fields = *bytes.at<std::uint64_t>(kFields);
  const std::uint64_t count = *bytes.at<std::uint64_t>(kFields + 8);
  const bool is_struct = (*bytes.at<std::uint8_t>(kKind) & kKindMask) == static_cast<std::uint8_t>(GoKind::kStruct);
  if (!is_struct || count != *bytes.at<std::uint64_t>(kFields + 16) || count > kMaxFields) return std::nullopt;
  std::vector<std::byte> table(count * kFieldBytes);
  if (!table.empty() && !memory_.read(fields, table.data(), table.size())) return std::nullopt;
  std::vector<std::uint64_t> names;
  auto parsed = parse_fields(Bytes(table), size, names);
  if (!parsed) return std::nullopt;
  for (std::size_t i = 0; i < parsed->size(); ++i) {
    auto name = parse_go_name(image_.at(names[i]));
    if (!name) return std::nullopt;
    (*parsed)[i].name = std::move(*name);
  }
  return GoStruct{.size = size, .fields = std::move(*parsed)};
}

}  // namespace netpoll::probes
