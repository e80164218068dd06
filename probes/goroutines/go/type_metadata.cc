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

// Whether a name that begins at offset says text, behind a "*" that does not belong to it or without one. Names of this
// length have one byte for it.
bool says(Bytes types, std::uint64_t offset, bool star, std::string_view text) {
  const std::size_t length = text.size() + (star ? 1 : 0);
  if (types.at<std::uint8_t>(offset + 1) != length) return false;
  const Bytes bytes = types.from(offset + 2).first(length);
  if (bytes.size() < length) return false;
  const std::string_view found(reinterpret_cast<const char*>(bytes.data()), length);
  return (!star || found.front() == '*') && found.ends_with(text);
}

}  // namespace

const GoField* GoStruct::find(std::string_view name) const {
  for (const GoField& f : fields) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

std::vector<std::optional<std::uint64_t>> find_descriptors(Bytes types, std::span<const GoTypeName> wanted) {
  std::vector<std::optional<std::uint64_t>> found(wanted.size());
  std::uint32_t kinds = 0;  // a bit for each that is wanted
  for (const GoTypeName& type : wanted) kinds |= 1U << static_cast<unsigned>(type.kind);
  std::size_t missing = wanted.size();
  for (std::uint64_t at = 0; at + kTypeBytes <= types.size() && missing > 0; at += 8) {
    const unsigned kind = *types.at<std::uint8_t>(at + kKind) & kKindMask;
    if ((kinds >> kind & 1U) == 0) continue;
    const bool star = (*types.at<std::uint8_t>(at + kFlags) & kExtraStar) != 0;
    const std::uint32_t name = *types.at<std::uint32_t>(at + kName);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (found[i] || static_cast<unsigned>(wanted[i].kind) != kind || !says(types, name, star, wanted[i].name))
        continue;
      found[i] = at;
      --missing;
    }
  }
  return found;
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

std::vector<std::optional<std::uint64_t>> TypeMetadata::find(std::span<const GoTypeName> wanted) const {
  auto found = find_descriptors(bytes_, wanted);
  for (auto& at : found) {
    if (at) *at += types_.begin;
  }
  return found;
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
