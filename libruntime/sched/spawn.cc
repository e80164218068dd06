// spawn.cc: how goroutines begin and end; timers and sleep.

#include "libruntime/base/clock.h"
#include "libruntime/base/fatal.h"
#include "libruntime/base/thread.h"
#include "libruntime/sched/labels.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/go.h"
#include "netpoll/time.h"

namespace netpoll::sched {
namespace {

constexpr std::uint64_t kGoidBatch = 16;
// Dead Gs that a P keeps, and how many move at once to and from the scheduler's list (Go: gfput, gfget).
constexpr std::uint32_t kMaxFreePerP = 64;
constexpr std::uint32_t kFreeBatch = 32;
// A closure that is too large for its place in the G lives on the stack; a larger one than this leaves too little of
// it.
constexpr std::size_t kMaxClosure = 8 * 1024;

}  // namespace

G* Scheduler::new_g(std::size_t closure_size, std::size_t closure_align, void* caller, void** closure) {
  if (closure_size > kMaxClosure) {
    base::fatalf("netpoll: closure of %zu bytes given to go(); capture large objects by pointer", closure_size);
  }
  M* m = current_m();
  P* p = m != nullptr && m->scheduler == this ? m->p : nullptr;
  G* g = dead_g_get(p != nullptr ? &p->free_gs : nullptr, &Scheduler::free_gs_);
  if (g == nullptr) g = cold_g(p);
  use_stack(g);
  descend(*g, caller);
  if (detail::fits_record(closure_size, closure_align)) {
    *closure = g->closure_room;
  } else {
    const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(&g->tail()) - closure_size;
    const std::size_t align = closure_align < 16 ? 16 : closure_align;
    *closure = reinterpret_cast<void*>(at / align * align);
  }
  g->tail().closure = *closure;
  return g;
}

G* Scheduler::new_g_at_rest(void* caller) {
  M* m = current_m();
  G* g = cold_g(m->p);
  __atomic_store_n(&g->context.sp, nullptr, __ATOMIC_RELAXED);
  if (own_labels(*m->curg) != nullptr) {
    use_stack(g);
    g->tail().closure = g->closure_room;
  }
  descend(*g, caller);
  return g;
}

// A G whose stack has no pages.
G* Scheduler::cold_g(P* p) {
  G* g = dead_g_get(p != nullptr ? &p->cold_gs : nullptr, &Scheduler::cold_gs_);
  if (g == nullptr) g = gs_.add(this);
  if (g == nullptr) base::fatalf("netpoll: no memory for goroutine %zu", static_cast<std::size_t>(gs_.count() + 1));
  return g;
}

// Notes who makes g.
void Scheduler::descend(G& g, void* caller) {
  const M* m = current_m();
  const G* parent = m != nullptr ? m->curg : nullptr;
  const bool ours = parent != nullptr && parent->scheduler == this;
  g.parent_goid.store(ours ? parent->goid.load(std::memory_order_relaxed) : 0, std::memory_order_relaxed);
  g.created_pc.store(reinterpret_cast<std::uint64_t>(caller), std::memory_order_relaxed);
  if (parent != nullptr) inherit_labels(g, *parent);
}

// Before the first byte of it is written.
void Scheduler::use_stack(G* g) {
  if (g->guard == context::StackGuard::kNone) gs_.guard_stack(g);
  if (g->cold) new (&g->tail()) GTail;
  g->cold = false;
  context::fiber_create(g->context.fiber, g->stack.lo,
                        static_cast<std::size_t>(static_cast<char*>(g->stack.hi) - static_cast<char*>(g->stack.lo)));
}

// So that the next switch to g calls its function.
void Scheduler::begin_flow(G* g) {
  g->exception_globals[0] = g->exception_globals[1] = nullptr;
  GTail& tail = g->tail();
  void* top = tail.closure == g->closure_room ? &tail : tail.closure;
  context::context_init(g->context, g->stack.lo, top, &Scheduler::goroutine_main, g);
}

void Scheduler::start_g(G* g, void (*entry)(void*)) {
  g->start_pc.store(reinterpret_cast<std::uint64_t>(entry), std::memory_order_relaxed);
  if (!g->cold) begin_flow(g);

  M* m = current_m();
  P* p = m != nullptr && m->scheduler == this ? m->p : nullptr;
  g->goid.store(next_goid(p), std::memory_order_relaxed);
  live_gs_.fetch_add(1, std::memory_order_relaxed);
  NETPOLL_TRACE(p != nullptr ? p->lane : shared_lane_, go_create, NETPOLL_ARG(g->goid.load(std::memory_order_relaxed)),
                NETPOLL_ARG(g->parent_goid.load(std::memory_order_relaxed)));
  if (p != nullptr) {
    g->store_status(GStatus::kRunnable);
    run_put(p, g, true);
    if (idle_p_count_.load(std::memory_order_relaxed) != 0) wake_p();
    return;
  }
  // As in ready(): the goroutine may end, and the Runtime with it, while this thread is still in here.
  external_ready_calls_.fetch_add(1, std::memory_order_relaxed);
  ensure_threads();
  GList one;
  one.push_back(g);
  inject(one);
  external_ready_calls_.fetch_sub(1, std::memory_order_release);
}

void Scheduler::goroutine_main(void* arg) {
  context::fiber_first_entry();
  auto* g = static_cast<G*>(arg);
  // noexcept: an escaping exception ends in std::terminate where it was thrown, with the goroutine's stack still there.
  [&]() noexcept {
    reinterpret_cast<void (*)(void*)>(g->start_pc.load(std::memory_order_relaxed))(g->tail().closure);
  }();
  M* m = current_m();
  m->after = After::kExit;
  context::context_leave(g->context, m->g0);
}

std::uint64_t Scheduler::next_goid(P* p) {
  if (p == nullptr) return goid_source_.fetch_add(1, std::memory_order_relaxed);
  if (p->next_goid == p->last_goid) {
    p->next_goid = goid_source_.fetch_add(kGoidBatch, std::memory_order_relaxed);
    p->last_goid = p->next_goid + kGoidBatch;
  }
  return p->next_goid++;
}

// A dead G of a P's list, else of the one behind it; null where both are empty.
G* Scheduler::dead_g_get(GList* mine, GList Scheduler::*all) {
  if (mine != nullptr && !mine->empty()) return mine->pop_front();
  const base::MutexLock lock(mutex_);
  GList& behind = this->*all;
  if (mine == nullptr) return behind.pop_front();
  while (mine->size < kFreeBatch && !behind.empty()) mine->push_back(behind.pop_front());
  return mine->pop_front();
}

void Scheduler::dead_g_put(GList& mine, GList Scheduler::*all, G* g) {
  mine.push_front(g);  // the warmest stack is used next
  if (mine.size <= kMaxFreePerP) return;
  const base::MutexLock lock(mutex_);
  while (mine.size > kFreeBatch) (this->*all).push_front(mine.pop_front());
}

void Scheduler::bury(P* p, G* g) {
  drop_labels(*g);
  context::fiber_destroy(g->context.fiber);
  g->store_status(GStatus::kDead);
  dead_g_put(p->free_gs, &Scheduler::free_gs_, g);
}

// g went to rest: its stack goes to a dead G, which is the next to be used, and g gets that one's, which costs no
// memory until it is used.
void Scheduler::leave_stack(P* p, G* g) {
  context::fiber_destroy(g->context.fiber);
  __atomic_store_n(&g->context.sp, nullptr, __ATOMIC_RELAXED);
  if (g->labels_below.load(std::memory_order_relaxed) != 0) return;
  G* dead = dead_g_get(&p->cold_gs, &Scheduler::cold_gs_);
  if (dead == nullptr) dead = gs_.add(this);
  if (dead == nullptr) return;  // no memory for one more: it rests on its own stack
  dead->store_status(GStatus::kDead);
  swap_stacks(*g, *dead);
  dead_g_put(p->free_gs, &Scheduler::free_gs_, dead);
}

// The other way round, before g runs again.
void Scheduler::begin_again(P* p, G* g) {
  if (g->cold) {
    if (G* dead = dead_g_get(&p->free_gs, &Scheduler::free_gs_); dead != nullptr) {
      swap_stacks(*g, *dead);
      dead_g_put(p->cold_gs, &Scheduler::cold_gs_, dead);
    }
  }
  use_stack(g);
  g->tail().closure = g->closure_room;
  begin_flow(g);
}

void Scheduler::goroutine_ended() {
  if (live_gs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  live_gs_word_.fetch_add(1, std::memory_order_release);
  base::futex_wake(live_gs_word_, INT32_MAX);
}

void Scheduler::ensure_threads() {
  const base::MutexLock lock(mutex_);
  if (threads_started_) return;
  threads_started_ = true;
  program_mask_ = base::signal_mask();
  coarse_now_.store(base::nanotime());
  last_poll_.store(coarse_now_.load());
  have_poll_thread_ = config_.poll_mode != PollMode::kInline;
  if (have_poll_thread_) {
    base::start_thread(
        poll_thread_,
        [](void* self) -> void* {
          static_cast<Scheduler*>(self)->poll_thread_loop();
          return nullptr;
        },
        this, "netpoll-poll");
  }
  base::start_thread(
      sysmon_thread_,
      [](void* self) -> void* {
        static_cast<Scheduler*>(self)->sysmon_loop();
        return nullptr;
      },
      this, "netpoll-sysmon");
}

void Scheduler::start_timer(HeapTimer& timer) {
  M* m = current_m();
  P* p = m != nullptr && m->scheduler == this && m->p != nullptr ? m->p : ps_[0].get();
  if (!p->timers.add(timer)) return;
  // It became the earliest of its P: whoever sleeps in the poller past it must look again. (An M without work that
  // holds no poll, and a P whose M is busy, need nothing: they look at their timers before they sleep.)
  const std::int64_t until = poll_until_.load(std::memory_order_seq_cst);
  if (until > timer.when) {
    poll_source_->wake();
    return;
  }
  // Started from outside, and nobody is in the poller. The thread of thread mode looks at the timers before it goes
  // back.
  if (until == 0 && (m == nullptr || m->p == nullptr) && config_.poll_mode != PollMode::kThread) wake_p();
}

void start_timer(Scheduler& scheduler, HeapTimer& timer) { scheduler.start_timer(timer); }

bool stop_timer(HeapTimer& timer) {
  TimerHeap* heap = timer.heap.load(std::memory_order_acquire);
  return heap != nullptr && heap->remove(timer);
}

}  // namespace netpoll::sched

namespace netpoll {

namespace detail {

Spawn spawn_begin(sched::Scheduler* scheduler, std::size_t size, std::size_t align, void* caller) {
  if (scheduler == nullptr) scheduler = &sched::current();
  Spawn spawn;
  spawn.g = scheduler->new_g(size, align, caller, &spawn.closure);
  return spawn;
}

Spawn spawn_begin_at_rest(void* caller) {
  sched::G* g = sched::current().new_g_at_rest(caller);
  return {.g = g, .closure = g->closure_room};
}

void spawn_commit(sched::G* g, void (*entry)(void* closure)) { g->scheduler->start_g(g, entry); }

void enter_blocking() { sched::Scheduler::enter_blocking(); }
void exit_blocking() { sched::Scheduler::exit_blocking(); }

}  // namespace detail

void detail::Exit::swallowed() {
  base::fatal("netpoll: go_exit was caught on its way; a catch (...) has to rethrow what it does not know");
}

void go_exit() {
  if (sched::current_g() == nullptr) base::fatal("netpoll: go_exit outside of a goroutine");
  throw detail::Exit();
}

void yield() { sched::Scheduler::yield(); }

std::uint64_t goid() {
  sched::G* g = sched::current_g();
  return g != nullptr ? g->goid.load(std::memory_order_relaxed) : 0;
}

bool canceled() { return sched::current().canceled(); }

Result<void> sleep(std::chrono::nanoseconds d) { return sleep_until(after(d)); }

Result<void> sleep_until(TimePoint t) {
  const sched::WaitHandle h = sched::begin_wait();
  sched::HeapTimer& timer = h.g->tail().timer;
  timer.when = detail::to_ns(t);
  timer.callback = [](void* arg, std::uint64_t generation) {
    sched::wake({static_cast<sched::G*>(arg), generation}, sched::WakeResult::kTimeout);
  };
  timer.arg = h.g;
  timer.seq = h.generation;
  h.g->scheduler->start_timer(timer);
  const sched::WakeResult result = sched::finish_wait(h, WaitReason::kSleep, true);
  if (result != sched::WakeResult::kTimeout) {
    sched::stop_timer(timer);
    return Error(ErrorKind::kCanceled, "sleep");
  }
  return {};
}

}  // namespace netpoll
