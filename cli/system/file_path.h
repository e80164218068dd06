// file_path(): the name of a file, in UTF-8 as everything of ours holds it, as std::filesystem takes it on each system.
#pragma once

#include <filesystem>
#include <string>

namespace netpoll::cli {

// A path that is made of a std::string is read in the code page of the system on Windows. Nothing is changed elsewhere.
inline std::filesystem::path file_path(const std::string& utf8) { return std::u8string(utf8.begin(), utf8.end()); }

}  // namespace netpoll::cli
