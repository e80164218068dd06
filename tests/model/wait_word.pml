/*
 * wait_word.pml: one goroutine that waits again and again, and everybody who may end its waits.
 * Model of libruntime/sched/wait.h, park.cc and of the lists of libruntime/sync.
 *
 * Each atomic instruction of the code is one atomic step here; everything else interleaves.
 *
 * Shown for every interleaving:
 *   - Each wait is ended by exactly one winner, with the winner's result.
 *   - No wake-up is lost: the goroutine never stays parked when somebody ended its wait or everything was cancelled.
 *   - It is made runnable exactly when it is parked, never twice, and only after its context was saved.
 *   - A waker that comes too late (a timer of an earlier wait) changes nothing.
 *   - A waker touches a node on the waiter's stack only while it is alive.
 *
 * check_model.sh runs the lines that begin with "holds" and "finds": the first must hold, and in each of the second, a
 * broken variant of the code, spin must find the fault. NO_CANCEL: nobody cancels, so that a lost event cannot hide
 * behind the cancellation.
 *   holds  WAITS=2
 *   holds  WAITS=3 NO_CANCEL
 *   finds  BLIND_COMMIT           the park commit stores kWaitParked without looking (park.cc, commit_wait)
 *   finds  NO_GENERATION          wake() does not compare generations
 *   finds  CLAIM_BY_STORE         the claim is a load and a store instead of a compare-and-swap
 *   finds  LOOK_BEFORE_MARK       finish_wait() looks at canceled before it sets kWaitCancelable
 *   finds  SCAN_BEFORE_FLAG       cancel_waits() scans before canceled is set
 *   finds  COMMIT_BEFORE_SAVE     the park is committed before the context is saved
 *   finds  READY_ARMED            wake() also makes a goroutine runnable that has not parked yet
 *   finds  LEAVE_WITHOUT_LOCK     a waiter that timed out leaves without the lock of the list
 *   finds  TOUCH_AFTER_WIN        a waker uses the node after wake() returned true
 */
#ifndef WAITS
#define WAITS 2 /* waits of the goroutine, one generation each */
#endif

#define kWaitArmed 0
#define kWaitParked 1
#define kWaitClaimed 2

#define kNone 0
#define kOk 1
#define kTimeout 2
#define kCanceled 3

/* G::wait_word: these change together, in one step. */
byte generation = 0;
byte state = kWaitClaimed;
byte result = kNone;
bool cancelable = false;

bool canceled = false; /* Scheduler::canceled_ */
byte runnable = 0;     /* times the goroutine is on a run queue */
bool saved = false;    /* its context is complete: it may be continued */
byte winners = 0;      /* of the present generation; history, not code */

bool list_lock = false; /* of the sync object */
bool queued = false;    /* Waiter::queued */
byte node_handle = 0;   /* Waiter::handle.generation */
bool node_alive = false;

bool timer_queued = false;
byte timer_seq = 0;

bool done = false;

inline lock(l) { atomic { !l -> l = true } }
inline unlock(l) { l = false }

/* claim() of park.cc. seen_* hold the word as loaded before. */
inline claim(how, won) {
  do
  ::
#ifdef CLAIM_BY_STORE
    if
    :: generation == seen_generation && state == seen_state && cancelable == seen_cancelable ->
      swapped = true;
      atomic { state = kWaitClaimed; result = how; winners++; assert(winners == 1) }
#else
    atomic {
      if
      :: generation == seen_generation && state == seen_state && cancelable == seen_cancelable ->
        swapped = true;
        state = kWaitClaimed;
        result = how;
        winners++;
        assert(winners == 1)
#endif
      :: else ->
        swapped = false;
#ifdef NO_GENERATION
        if :: generation != seen_generation -> stale = false :: else fi;
#else
        stale = generation != seen_generation;
#endif
        seen_generation = generation;
        seen_state = state;
        seen_cancelable = cancelable
      fi
#ifndef CLAIM_BY_STORE
    }
#endif
    ;
    if
    :: swapped ->
      if
#ifdef READY_ARMED
      :: true ->
#else
      :: seen_state == kWaitParked ->
#endif
        atomic {
          assert(saved);
          assert(runnable == 0);
          runnable++
        }
      :: else
      fi;
      won = true;
      break
    :: !swapped && (stale || seen_state == kWaitClaimed) ->
      won = false;
      break
    :: else
    fi
  od
}

/* wake() of park.cc. */
inline wake(handle, how, won) {
  atomic {
    seen_generation = generation;
    seen_state = state;
    seen_cancelable = cancelable
  };
  if
#ifdef NO_GENERATION
  :: seen_state == kWaitClaimed ->
#else
  :: seen_generation != handle || seen_state == kWaitClaimed ->
#endif
    won = false
  :: else ->
    claim(how, won);
    /* The word was compared as a whole, so what was won is the wait that was meant. */
    assert(!won || seen_generation == handle)
  fi
}

active proctype Goroutine() {
  byte wait = 0;
  byte got = kNone;
  byte seen_generation, seen_state;
  bool seen_cancelable, swapped, stale, won, parked;
  do
  :: wait < WAITS ->
    wait++;
    /* begin_wait() */
    atomic {
      assert(state == kWaitClaimed);
      generation++;
      state = kWaitArmed;
      cancelable = false;
      result = kNone;
      winners = 0
    };
    /* The handle goes to the wakers. */
    lock(list_lock);
    atomic { node_handle = generation; node_alive = true; queued = true };
    unlock(list_lock);
    if
    :: atomic { timer_seq = generation; timer_queued = true }
    :: true /* a wait without a deadline */
    fi;
    /* finish_wait() */
#ifndef NO_CANCEL
#ifdef LOOK_BEFORE_MARK
    if
    :: canceled -> wake(generation, kCanceled, won)
    :: else
    fi;
    cancelable = true;
#else
    cancelable = true;
    if
    :: canceled -> wake(generation, kCanceled, won)
    :: else
    fi;
#endif
#endif
    if
    :: state == kWaitArmed ->
      /* Scheduler::park(): the switch to g0 saves the context, then commit_wait() runs there. */
#ifndef COMMIT_BEFORE_SAVE
      saved = true;
#endif
#ifdef BLIND_COMMIT
      atomic { state = kWaitParked; parked = true };
#else
      atomic {
        if
        :: state == kWaitArmed -> state = kWaitParked; parked = true
        :: else -> parked = false
        fi
      };
#endif
#ifdef COMMIT_BEFORE_SAVE
      saved = true;
#endif
      if
      :: parked -> atomic { runnable > 0 -> runnable-- }
      :: else
      fi;
      saved = false
    :: else
    fi;
    assert(state == kWaitClaimed && winners == 1 && runnable == 0);
    got = result;
    assert(got != kNone);
    /* stop_timer(): may be too late, then the callback still holds generation. */
    timer_queued = false;
    if
#ifndef LEAVE_WITHOUT_LOCK
    :: got != kOk ->
      lock(list_lock);
      queued = false;
      node_alive = false;
      unlock(list_lock)
#endif
    :: else -> atomic { queued = false; node_alive = false }
    fi
  :: else -> break
  od;
  done = true
}

/* A waker with the object's lock: take the node off the list, prepare, wake, undo if that came too late. */
active proctype Event() {
  byte handle;
  byte seen_generation, seen_state;
  bool seen_cancelable, swapped, stale, won;
end:
  do
  :: atomic { queued && !list_lock -> list_lock = true };
    if
    :: queued ->
      assert(node_alive);
      queued = false;
      handle = node_handle;
      wake(handle, kOk, won);
#ifdef TOUCH_AFTER_WIN
      assert(node_alive);
#else
      if
      :: !won -> assert(node_alive) /* the element moves back */
      :: else
      fi;
#endif
    :: else
    fi;
    unlock(list_lock)
#ifndef NO_CANCEL
  :: break /* the event never comes */
#endif
  :: done -> break
  od
}

/* TimerHeap::run(): copies the words under the heap's lock, calls without it. */
active proctype Timer() {
  byte seq;
  byte seen_generation, seen_state;
  bool seen_cancelable, swapped, stale, won;
end:
  do
  :: atomic { timer_queued -> timer_queued = false; seq = timer_seq };
    wake(seq, kTimeout, won)
  :: done -> break
  od
}

#ifndef NO_CANCEL
/* shutdown(kCancel): Scheduler::cancel_waits(). */
active proctype Cancel() {
  byte seen_generation, seen_state;
  bool seen_cancelable, swapped, stale, won;
#ifndef SCAN_BEFORE_FLAG
  canceled = true;
#endif
  atomic {
    seen_generation = generation;
    seen_state = state;
    seen_cancelable = cancelable
  };
  if
  :: seen_cancelable && seen_state != kWaitClaimed -> claim(kCanceled, won)
  :: else
  fi
#ifdef SCAN_BEFORE_FLAG
  ;
  canceled = true
#endif
}
#endif
