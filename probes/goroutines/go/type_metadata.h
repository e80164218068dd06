// The type descriptors of a Go program, by which the program itself says where the fields of its structs are. They are
// in every binary, stripped or not, for each type of which the runtime allocates values.
//
// Layouts: Go's internal/abi/type.go (Type, StructType, Name), runtime/type.go before 1.21; the same from 1.18 to 1.27.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "probes/goroutines/go/image.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

struct GoField {
  std::string name;
  std::uint64_t type = 0;  // address of its descriptor
  std::uint64_t offset = 0;
};

struct GoStruct {
  std::uint64_t size = 0;
  std::vector<GoField> fields;

  const GoField* find(std::string_view name) const;
};

enum class GoKind : std::uint8_t { kMap = 21, kStruct = 25 };  // of abi.Kind what is asked for

// What a descriptor is searched for by: package and name ("runtime.g").
struct GoTypeName {
  std::string_view name;
  GoKind kind = GoKind::kStruct;
};

// Borrows its arguments. Descriptors are searched for in the file, where that is quick, and read from memory, where
// their pointers are relocated.
class TypeMetadata {
 public:
  TypeMetadata(const Image& image, Memory& memory, const AddressRange& types)
      : image_(image), memory_(memory), types_(types), bytes_(image.at(types)) {}

  // The addresses of their descriptors, in one pass over all types; nothing for those that the program does not have.
  std::vector<std::optional<std::uint64_t>> find(std::span<const GoTypeName> wanted) const;
  // Nothing where no struct's descriptor is, or one that makes no sense.
  std::optional<GoStruct> struct_at(std::uint64_t descriptor) const;

 private:
  const Image& image_;
  Memory& memory_;
  AddressRange types_;
  Bytes bytes_;
};

// Where in types the descriptors stand, in the order of what is wanted.
std::vector<std::optional<std::uint64_t>> find_descriptors(Bytes types, std::span<const GoTypeName> wanted);

// A struct's fields from its bytes: 24 for each. Names are left for later: GoField::name is empty, and names receives
// the addresses where they stand. Nothing when the offsets make no sense.
std::optional<std::vector<GoField>> parse_fields(Bytes fields, std::uint64_t struct_size,
                                                 std::vector<std::uint64_t>& names);

// The name that stands at the beginning of bytes: a byte of flags, the length, the text.
std::optional<std::string> parse_go_name(Bytes bytes);

}  // namespace netpoll::probes
