/*
 * operation.pml: an operation of the completion family between its goroutine, the kernel and whoever ends waits.
 * Model of Netpoll::perform() in libruntime/poll/netpoll.cc, and of what poll/poller.h asks of a CompletionPoller.
 *
 * Each atomic instruction of the code is one atomic step here, as is a system call; everything else interleaves. The
 * lock of the pollDesc is left out: nothing here needs it but what poll_desc.pml shows.
 *
 * A goroutine performs two operations of one direction, one after the other, each in its own frame of the stack. The
 * kernel may end an operation from the moment it is submitted, by itself or because it was asked to. Two threads poll,
 * so that a report may be on its way while its goroutine goes on.
 *
 * Shown for every interleaving:
 *   - The kernel and the pollers never touch an operation whose goroutine has gone on.
 *   - The goroutine never stays parked: neither is the end of its operation lost, nor close, nor a deadline.
 *   - An operation that moved bytes is never reported as timed out or closed, and the other way round.
 *
 * Scenarios, as check_model.sh reads them.
 *   holds  CLOSE                  close comes at any moment
 *   holds  DEADLINE               a deadline passes at any moment, and is lifted before the second operation
 *   holds  TWICE                  close comes while a deadline has the operation taken back
 *   holds  SHUT                   the reading half is shut down while the kernel may have nothing for an operation
 *   holds  NEITHER                nobody ends a wait
 *   finds  CLOSE NO_TAKE_BACK     the goroutine goes on after cancel() without waiting for the kernel
 *   finds  TWICE ONE_WAIT         it waits for one more wake-up only
 *   finds  DEADLINE TRUST_READY   any report counts as the end of the operation that waits
 *   finds  DEADLINE DONE_LAST     done is set after the report was delivered
 *   finds  CLOSE TOUCH_AFTER_DONE the poller reads the operation after it said done
 *   finds  DEADLINE LOST_BYTES    an operation that was asked back counts as not done
 *   finds  SHUT NO_SECOND_LOOK    who is about to park does not look for the shutdown once more
 *   finds  CLOSE CHECK_IN_WAIT    the wait for the kernel minds close, and never parks
 */

#define kPdNil 0
#define kPdReady 1
#define kPdWait 2
#define kPdG 3

#define kOk 0
#define kClosing 1
#define kTimeout 2
#define kEnd 3

#define kBytes 1
#define kCanceled 2

/* PollDesc */
byte semaphore = kPdNil;
bool info_closing = false;
bool info_expired = false;
bool info_shut = false; /* minded by waits only */
bool runnable = false; /* the goroutine was made runnable and has not run yet */

/* Operations, one per frame. */
bool live[2];     /* the frame exists */
bool submitted[2];
bool asked[2];    /* cancel() */
bool moved[2];    /* the kernel has moved bytes for it */
bool ended[2];    /* the kernel has ended it: a completion waits for a poller */
bool silent[2];   /* the peer sends nothing for it: it ends when it is asked back, and else never */
byte result[2];   /* of Operation */
bool done[2];
byte outcome[2];  /* what perform() returned, + 1 */
byte spins = 0;

/* Readiness of the pollDesc: take_waiter() */
inline take_waiter(io_ready) {
  atomic {
    if
    :: semaphore == kPdG ->
      semaphore = (io_ready -> kPdReady : kPdNil);
      assert(!runnable);
      runnable = true
    :: semaphore == kPdWait -> semaphore = (io_ready -> kPdReady : kPdNil)
    :: semaphore == kPdReady -> skip
    :: else -> semaphore = (io_ready -> kPdReady : kPdNil)
    fi
  }
}

inline check(r) {
  atomic {
    if
    :: info_closing -> r = kClosing
    :: !info_closing && info_expired -> r = kTimeout
    :: else -> r = kOk
    fi
  }
}

inline check_wait(r) {
  atomic {
    check(r);
    if
    :: r == kOk && info_shut -> r = kEnd
    :: else
    fi
  }
}

/* Netpoll::block() */
inline block(regardless, ready) {
  atomic {
    if
    :: semaphore == kPdReady -> semaphore = kPdNil; ready = true
    :: else -> assert(semaphore == kPdNil); semaphore = kPdWait; ready = false
    fi
  };
  if
  :: !ready ->
#ifdef NO_SECOND_LOOK
    check(why);
#else
    check_wait(why);
#endif
    if
    :: why == kOk || regardless ->
      atomic {
        if
        :: semaphore == kPdWait -> semaphore = kPdG; parked = true
        :: else -> parked = false
        fi
      };
      if
      :: parked -> atomic { runnable -> runnable = false }
      :: else
      fi
    :: else
    fi;
    atomic { ready = (semaphore == kPdReady); semaphore = kPdNil }
  :: else
  fi;
  parked = false
}

/* Netpoll::wait_noted() */
inline wait_noted(r) {
  do
  :: check_wait(r);
    if
    :: r != kOk -> break
    :: else
    fi;
    block(false, ready);
    if
    :: ready -> r = kOk; break
    :: else
    fi
  od;
  ready = false
}

proctype Goroutine() {
  byte i, r, why;
  bool ready, parked;
  for (i : 0 .. 1) {
#ifdef DEADLINE
    /* set_deadline(0): between two operations */
    info_expired = false;
#endif
    check(r);
    if
    :: r == kOk ->
      semaphore = kPdNil; /* prepare() */
      atomic { live[i] = true; submitted[i] = true };
#ifdef TRUST_READY
      wait_noted(r);
      if
      :: r == kOk -> assert(done[i])
      :: else
      fi;
#else
      do
      :: wait_noted(r);
        if
        :: done[i] -> r = kOk; break
        :: else
        fi;
        if
        :: r != kOk -> break
        :: else
        fi
      od;
#endif
      if
      :: r != kOk ->
        asked[i] = true;
#ifndef NO_TAKE_BACK
#ifdef ONE_WAIT
        if
        :: !done[i] -> block(true, ready)
        :: else
        fi;
#else
        do
        :: done[i] -> break
        :: !done[i] ->
#ifdef CHECK_IN_WAIT
          spins++;
          assert(spins < 100);
          block(false, ready)
#else
          block(true, ready)
#endif
        od;
#endif
#endif
        ready = false;
#ifndef LOST_BYTES
        if
        :: result[i] != kCanceled -> r = kOk
        :: else
        fi
#endif
      :: else
      fi;
      assert(!(r != kOk && moved[i]));
      assert(!(r == kOk && !moved[i]));
      atomic { live[i] = false; outcome[i] = r + 1 }
    :: else -> outcome[i] = r + 1
    fi
  }
}

/* The kernel ends an operation once: with bytes when it likes, otherwise only when asked. */
proctype Kernel(byte i) {
end:
  atomic {
    if
    :: submitted[i] && !silent[i] -> assert(live[i]); moved[i] = true
    :: submitted[i] && asked[i] -> assert(live[i])
    fi;
    ended[i] = true
  }
}

/* CompletionPoller::poll(), then Netpoll::on_event(). */
proctype Poller() {
  byte i;
end:
  do
  :: atomic {
      if
      :: ended[0] -> ended[0] = false; i = 0
      :: ended[1] -> ended[1] = false; i = 1
      fi;
      assert(live[i])
    };
    result[i] = (moved[i] -> kBytes : kCanceled);
#ifdef DONE_LAST
    take_waiter(true);
    assert(live[i]);
    done[i] = true
#else
    done[i] = true;
#ifdef TOUCH_AFTER_DONE
    assert(live[i]);
#endif
    take_waiter(true)
#endif
  od
}

/* Netpoll::unblock(): publish first, unblock second. */
proctype Close() {
  info_closing = true;
  take_waiter(false)
}

/* Netpoll::end_reads() */
proctype Shut() {
  info_shut = true;
  take_waiter(false)
}

proctype Deadline() {
  info_expired = true;
  take_waiter(false)
}

init {
  atomic {
#ifdef SHUT
    if
    :: silent[0] = true
    :: skip
    fi;
    if
    :: silent[1] = true
    :: skip
    fi;
    run Shut();
#endif
    run Goroutine();
    run Kernel(0);
    run Kernel(1);
    run Poller();
    run Poller();
#if defined(CLOSE) || defined(TWICE)
    run Close();
#endif
#if defined(DEADLINE) || defined(TWICE)
    run Deadline();
#endif
  }
  (outcome[0] != 0 && outcome[1] != 0)
}
