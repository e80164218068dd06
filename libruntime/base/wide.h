// wide.h: names of files as Windows takes them, UTF-16, and as everything of ours holds them, UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace netpoll::base {

// What is no UTF-8, or no UTF-16, becomes U+FFFD.
std::wstring widen(std::string_view utf8);
std::string narrow(std::wstring_view utf16);

}  // namespace netpoll::base
