// runtime.allgs: the list of all of a Go program's g's, the dead ones included. Entries are never taken away, and g's
// never freed, so that a list that was read a moment ago is short at worst.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/go/arch.h"
#include "probes/goroutines/go/image.h"
#include "probes/goroutines/go/layout.h"
#include "probes/goroutines/go/moduledata.h"
#include "probes/goroutines/go/pclntab.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// The address of the variable: what the code of these functions (KnownFunctions) refers to, and holds a list of g's.
// Works on a stripped program. Nothing when there is none.
std::optional<std::uint64_t> find_allgs(const Image& image, Memory& memory,
                                        std::span<const std::optional<GoFunction>> functions, const ModuleData& module,
                                        const GLayout& layout, const GoArch& arch);

// Errors: kProtocol when the list makes no sense, and as Memory::read.
Result<std::vector<std::uint64_t>> read_allgs(Memory& memory, std::uint64_t allgs);

}  // namespace netpoll::probes
