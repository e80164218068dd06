// The files of cli/schemas, embedded at build time (schemas/embed.cmake).
#pragma once

#include <span>
#include <string_view>

namespace netpoll::cli {

struct SchemaFile {
  std::string_view name;  // without ".json"
  std::string_view text;  // byte for byte
};

std::span<const SchemaFile> schema_files();

}  // namespace netpoll::cli
