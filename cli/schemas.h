// The JSON Schemas of our documents (cli/schemas/*.json), embedded at build time.
#pragma once

#include <span>
#include <string_view>

namespace netpoll::cli {

struct Schema {
  std::string_view name;  // "run", as in "netpoll-trace/run/v1"
  std::string_view text;  // the file, byte for byte
};

std::span<const Schema> schemas();

}  // namespace netpoll::cli
