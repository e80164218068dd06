// Sleep and wake on a word, on Windows: WaitOnAddress for sleeps without a limit; for those with one a waitable timer
// of high resolution beside an event, since WaitOnAddress counts milliseconds and rounds to the tick of the system
// clock, 15.6 of them by default.
#include "libruntime/base/futex.h"

#include <windows.h>

#include "libruntime/base/precise_timer.h"

namespace netpoll::base {
namespace {

// A thread that sleeps with a limit. In the list of its bucket while it does.
struct Sleeper {
  const void* word = nullptr;
  HANDLE woken = nullptr;
  Sleeper* next = nullptr;
};

// The timed sleepers of all words whose addresses fall into the bucket. The count is looked at without the lock: a
// sleeper is counted before it looks at its word, and who wakes has written the word before it looks at the count.
struct Bucket {
  SRWLOCK lock = SRWLOCK_INIT;
  std::atomic<std::uint32_t> count{0};
  Sleeper* first = nullptr;
};
constexpr std::size_t kBuckets = 64;
Bucket buckets[kBuckets];

Bucket& bucket_of(const void* word) { return buckets[reinterpret_cast<std::uintptr_t>(word) / 64 % kBuckets]; }

// Whether it was there. With the lock held.
bool unlink(Bucket& bucket, Sleeper& sleeper) {
  for (Sleeper** at = &bucket.first; *at != nullptr; at = &(*at)->next) {
    if (*at != &sleeper) continue;
    *at = sleeper.next;
    return true;
  }
  return false;
}

// What a thread sleeps with, made at its first timed sleep.
struct Tools {
  Tools() : woken(CreateEventW(nullptr, FALSE, FALSE, nullptr)) {}
  ~Tools() { CloseHandle(woken); }
  Tools(const Tools&) = delete;
  Tools& operator=(const Tools&) = delete;

  HANDLE woken;
  PreciseTimer timer;
};

void wait_with_limit(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t timeout_ns) {
  thread_local Tools tools;
  Bucket& bucket = bucket_of(&word);
  Sleeper sleeper{&word, tools.woken, nullptr};
  bucket.count.fetch_add(1, std::memory_order_seq_cst);
  AcquireSRWLockExclusive(&bucket.lock);
  const bool sleeps = word.load(std::memory_order_seq_cst) == expected;
  if (sleeps) {
    sleeper.next = bucket.first;
    bucket.first = &sleeper;
  }
  ReleaseSRWLockExclusive(&bucket.lock);
  if (sleeps) {
    const bool exact = tools.timer.start(timeout_ns);
    const HANDLE both[] = {tools.woken, tools.timer.handle()};
    WaitForMultipleObjects(exact ? 2 : 1, both, FALSE,
                           exact ? INFINITE : static_cast<DWORD>((timeout_ns + 999'999) / 1'000'000));
    AcquireSRWLockExclusive(&bucket.lock);
    const bool still_listed = unlink(bucket, sleeper);
    ReleaseSRWLockExclusive(&bucket.lock);
    // Taken off the list by a wake whose event this wait may not have seen: it must not end the next one.
    if (!still_listed) WaitForSingleObject(tools.woken, 0);
  }
  bucket.count.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t timeout_ns) {
  if (timeout_ns >= 0) return wait_with_limit(word, expected, timeout_ns);
  WaitOnAddress(&word, &expected, sizeof expected, INFINITE);
}

void futex_wake(std::atomic<std::uint32_t>& word, int count) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (Bucket& bucket = bucket_of(&word); bucket.count.load(std::memory_order_seq_cst) != 0) {
    AcquireSRWLockExclusive(&bucket.lock);
    for (Sleeper** at = &bucket.first; *at != nullptr && count > 0;) {
      Sleeper* sleeper = *at;
      if (sleeper->word != &word) {
        at = &sleeper->next;
        continue;
      }
      *at = sleeper->next;
      --count;
      SetEvent(sleeper->woken);
    }
    ReleaseSRWLockExclusive(&bucket.lock);
  }
  if (count <= 0) return;
  count == 1 ? WakeByAddressSingle(&word) : WakeByAddressAll(&word);
}

}  // namespace netpoll::base
