// thread_annotations.h: which lock guards what, in words that clang checks (-Wthread-safety); gcc reads them as
// nothing.
//
// Source: clang's manual, "Thread Safety Analysis". A rule that clang cannot follow (an array of locks, say) is stated
// at the place with Mutex::assert_held() and a comment that gives the proof.
#pragma once

#if defined(__clang__)
#define NETPOLL_THREAD_ANNOTATION(...) __attribute__((__VA_ARGS__))
#else
#define NETPOLL_THREAD_ANNOTATION(...)
#endif

// Types: a lock; an object that holds one as long as it lives.
#define NETPOLL_CAPABILITY(name) NETPOLL_THREAD_ANNOTATION(capability(name))
#define NETPOLL_SCOPED_CAPABILITY NETPOLL_THREAD_ANNOTATION(scoped_lockable)

// Data: to be read and written with the lock held.
#define NETPOLL_GUARDED_BY(lock) NETPOLL_THREAD_ANNOTATION(guarded_by(lock))

// Functions: the caller holds the lock; takes it; takes it when it returns the given value; drops it; the lock is known
// to be held after it; returns a reference to it.
#define NETPOLL_REQUIRES(...) NETPOLL_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define NETPOLL_ACQUIRE(...) NETPOLL_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define NETPOLL_TRY_ACQUIRE(...) NETPOLL_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define NETPOLL_RELEASE(...) NETPOLL_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define NETPOLL_ASSERT_HELD(...) NETPOLL_THREAD_ANNOTATION(assert_capability(__VA_ARGS__))
#define NETPOLL_RETURNS_LOCK(lock) NETPOLL_THREAD_ANNOTATION(lock_returned(lock))

// A function that breaks the rule for a reason that stands beside it.
#define NETPOLL_NO_THREAD_SAFETY_ANALYSIS NETPOLL_THREAD_ANNOTATION(no_thread_safety_analysis)
