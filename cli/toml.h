// toml++ as this program uses it: errors are values, and a text that nobody expected is one of them.
#pragma once

#define TOML_EXCEPTIONS 0
// toml++ 3.3 asserts of a key's first character what it goes on to check ("[=" is an error), and with NDEBUG tells
// clang to take it for granted. Neither: both macros hang on NDEBUG.
#define TOML_ASSERT(expr) static_cast<void>(0)
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <toml++/toml.h>  // IWYU pragma: export
#pragma pop_macro("NDEBUG")
