// GoProgram: all that stays the same about a running Go program: its tables, the places of its structs' fields, names.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/go/arch.h"
#include "probes/goroutines/go/image.h"
#include "probes/goroutines/go/known_functions.h"
#include "probes/goroutines/go/layout.h"
#include "probes/goroutines/go/moduledata.h"
#include "probes/goroutines/go/pclntab.h"
#include "probes/goroutines/go/wait_reasons.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

struct GoProgram {
  Image image;
  const GoArch* arch = nullptr;
  ModuleData module;
  Pclntab pclntab;  // points into image
  KnownFunctions functions;
  GoLayout layout;
  std::uint64_t allgs = 0;  // address of the variable
  WaitReasons wait_reasons;
  std::string version;                // "go1.22.5"; empty: unknown
  std::vector<std::string> warnings;  // for every snapshot of it
};

// Null: the subject is no Go program. kNotSupported: it is one that we cannot read, with what could not be established.
Result<std::unique_ptr<GoProgram>> open_program(Subject& subject);

}  // namespace netpoll::probes
