// sanitizer.h: tells AddressSanitizer and ThreadSanitizer about stacks and switches; empty in ordinary builds.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define NETPOLL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NETPOLL_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define NETPOLL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NETPOLL_TSAN 1
#endif
#endif

#if defined(NETPOLL_TSAN)
#include <sanitizer/tsan_interface.h>
// Between __tsan_switch_to_fiber and the switch itself no instrumented code may run.
#define NETPOLL_NO_SANITIZE __attribute__((no_sanitize("thread"), always_inline))
#elif defined(NETPOLL_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define NETPOLL_NO_SANITIZE __attribute__((no_sanitize("address"), always_inline))
#else
#define NETPOLL_NO_SANITIZE
#endif

namespace netpoll::context {

#if defined(NETPOLL_TSAN)

struct SanitizerFiber {
  void* tsan = nullptr;
};
inline void fiber_adopt_thread(SanitizerFiber& fiber, const void*, std::size_t) {
  fiber.tsan = __tsan_get_current_fiber();
}
inline void fiber_create(SanitizerFiber& fiber, void*, std::size_t) { fiber.tsan = __tsan_create_fiber(0); }
inline void fiber_destroy(SanitizerFiber& fiber) {
  if (fiber.tsan != nullptr) __tsan_destroy_fiber(fiber.tsan);
  fiber.tsan = nullptr;
}
NETPOLL_NO_SANITIZE inline void fiber_before_switch(SanitizerFiber&, SanitizerFiber& to) {
  // Flag 0: a switch orders what happened before it on the one flow with what follows on the other, as it does for us.
  __tsan_switch_to_fiber(to.tsan, 0);
}
NETPOLL_NO_SANITIZE inline void fiber_after_switch(SanitizerFiber&) {}
NETPOLL_NO_SANITIZE inline void fiber_before_leave(SanitizerFiber& to) { __tsan_switch_to_fiber(to.tsan, 0); }
inline void fiber_first_entry() {}

#elif defined(NETPOLL_ASAN)

struct SanitizerFiber {
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  std::size_t size = 0;
};
inline void fiber_adopt_thread(SanitizerFiber& fiber, const void* bottom, std::size_t size) {
  fiber.bottom = bottom;
  fiber.size = size;
}
inline void fiber_create(SanitizerFiber& fiber, void* bottom, std::size_t size) {
  fiber.bottom = bottom;
  fiber.size = size;
  fiber.fake_stack = nullptr;
  // An earlier goroutine left by a switch, not by returns, so its red zones are still poisoned.
  __asan_unpoison_memory_region(bottom, size);
}
inline void fiber_destroy(SanitizerFiber&) {}
NETPOLL_NO_SANITIZE inline void fiber_before_switch(SanitizerFiber& from, SanitizerFiber& to) {
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.size);
}
NETPOLL_NO_SANITIZE inline void fiber_after_switch(SanitizerFiber& from) {
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
}
NETPOLL_NO_SANITIZE inline void fiber_before_leave(SanitizerFiber& to) {
  __sanitizer_start_switch_fiber(nullptr, to.bottom, to.size);
}
inline void fiber_first_entry() { __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr); }

#else

struct SanitizerFiber {};
inline void fiber_adopt_thread(SanitizerFiber&, const void*, std::size_t) {}
inline void fiber_create(SanitizerFiber&, void*, std::size_t) {}
inline void fiber_destroy(SanitizerFiber&) {}
inline void fiber_before_switch(SanitizerFiber&, SanitizerFiber&) {}
inline void fiber_after_switch(SanitizerFiber&) {}
inline void fiber_before_leave(SanitizerFiber&) {}
inline void fiber_first_entry() {}

#endif

}  // namespace netpoll::context
