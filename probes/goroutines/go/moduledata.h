// The runtime's moduledata: where a Go program's code, data, types and inline trees lie.
//
// Layouts: Go's runtime/symtab.go, type moduledata, of 1.18 to 1.27; which of the four it is shows in its contents.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "netpoll/result.h"
#include "probes/goroutines/go/image.h"
#include "probes/goroutines/go/pclntab.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

struct ModuleData {
  AddressRange text;
  // The sections noptrdata, data, bss and noptrbss; an external linker puts them in an order of its own.
  std::array<AddressRange, 4> data;
  AddressRange types;
  std::uint64_t gofunc = 0;  // inline trees lie from here on

  bool holds_data(std::uint64_t address) const;
  // Of data, what the file has contents for.
  std::span<const AddressRange> initialized() const { return std::span(data).first(2); }
};

// Bytes: memory that begins with a moduledata. Nothing unless it agrees with the pclntab in every number that both
// have.
std::optional<ModuleData> parse_moduledata(Bytes bytes, const PclntabPlace& pclntab);

// Reads the writable memory of the image. kNotSupported: none that we understand.
Result<ModuleData> find_moduledata(const Image& image, Memory& memory, const PclntabPlace& pclntab);

}  // namespace netpoll::probes
