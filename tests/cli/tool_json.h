// JSON documents of the tool under test, and what its `doctor` says of this machine.
#pragma once

#include <string>
#include <string_view>

#include "exporters/json.h"
#include "tests/cli/tool.h"
#include "tests/support/catch.h"

namespace netpoll::test {

using exporters::Json;
using exporters::parse_json;

// A document. Fails the test case on anything else.
inline Json parsed(const std::string& text) {
  Json json = parse_json(text);
  INFO(text);
  REQUIRE_FALSE(json.is_discarded());
  return json;
}

// The verdict of `doctor`, which is asked once: what it says works here must work, so that a test skips for want of
// privileges or of a kernel feature, and for nothing else.
inline const Json& doctor() {
  static const Json verdict = parsed(run_tool({"doctor", "--json"}).out);
  return verdict;
}
inline bool works_here(std::string_view feature) {
  for (const Json& row : doctor().at("machine")) {
    if (row.at("name") == feature) return row.at("ok").get<bool>();
  }
  FAIL("doctor knows no " << feature);
  return false;
}
// Whether some back end counts system calls here.
inline bool can_trace() { return works_here("ebpf_counts") || works_here("ptrace"); }
// Why a case is skipped where it is false.
inline constexpr const char* kNoBackEnd = "doctor: no back end works here";

}  // namespace netpoll::test
