// Which functions on a goroutine's stack are its program's, and what they are called.
#pragma once

#include <string>
#include <string_view>

namespace netpoll::symbols {

// The name that a reader wants to see of a demangled function: for the entry of a goroutine,
// "void netpoll::detail::spawn<serve(int)::{lambda()#1}>(...)::{lambda(void*)#1}::_FUN(void*)", that is what was handed
// to go(): "serve(int)::{lambda()#1}". Others are left as they are.
std::string goroutine_function(std::string_view demangled);

// Whether the demangled function is libruntime's own way into or out of a wait, which tells a reader nothing: its
// scheduler, poller, and what wraps the function that was handed to go(). What a program calls is not among them.
bool is_runtime_function(std::string_view demangled);

}  // namespace netpoll::symbols
