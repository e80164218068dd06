/*
 * wake.pml: wake() of the pollers, beside one thread that blocks in poll() and one that looks.
 * Model of libruntime/poll/poller_epoll.cc (EVENTFD), poller_kqueue.cc and poller_iocp.cc (PACKET: what the kernel
 * reports goes to one poll) and poller_uring.cc (URING: whoever takes completions takes all).
 *
 * Wakers leave work and call wake(), as who starts a timer does. The blocking thread takes the work that it finds and
 * polls when it finds none. Now and then its poll ends for another reason. Each atomic instruction or system call of
 * the code is one step here.
 *
 * Shown for every interleaving: all work is taken; nobody is left blocked beside work.
 *
 * check_model.sh runs the lines that begin with "holds" and "finds": the first must hold, and in each of the second, a
 * broken variant of the code, spin must find the fault.
 *   holds  EVENTFD
 *   holds  PACKET
 *   holds  URING
 *   finds  EVENTFD LOOK_TAKES   a look reads the eventfd
 *   finds  EVENTFD MARK_FIRST   the mark is taken back before the eventfd is read
 *   finds  PACKET LOOK_TAKES    a look does not give the packet back
 *   finds  URING LOOK_TAKES     a look does not post the completion again
 *   finds  URING MARK_FIRST     a poll looks at the mark before it takes what is complete
 */
#define WAKERS 2
#define WAKES 2 /* by each */

bool pending = false; /* wake_pending_ */
byte signals = 0;     /* the eventfd's count, packets, completions */
byte work = 0;
byte taken = 0;
byte events = 0; /* what else ends a poll */

inline wake() {
  atomic { old = pending; pending = true };
  if
  :: !old -> signals++
  :: else
  fi
}

proctype Waker() {
  bool old;
  byte i;
  for (i : 1 .. WAKES) {
    work++;
    wake()
  }
}

inline block() {
  if
  :: signals > 0
  :: atomic { events > 0 -> events-- }
  fi
}

#ifdef EVENTFD
inline poll() {
  block();
  if
  :: signals > 0 ->
#ifdef MARK_FIRST
    pending = false;
    signals = 0
#else
    signals = 0;
    pending = false
#endif
  :: else
  fi
}

inline look() {
#ifdef LOOK_TAKES
  signals = 0
#else
  skip
#endif
}
#endif

#ifdef PACKET
inline poll() {
  if
  :: atomic { signals > 0 -> signals-- }; pending = false
  :: atomic { events > 0 -> events-- }
  fi
}

inline look() {
  atomic {
    got = (signals > 0);
    signals = signals - got
  };
#ifndef LOOK_TAKES
  signals = signals + got
#endif
}
#endif

#ifdef URING
inline poll() {
#ifndef MARK_FIRST
  signals = 0;
#endif
  atomic { old = pending; pending = false };
#ifdef MARK_FIRST
  if
  :: !old -> signals = 0
  :: else
  fi;
#endif
  if
  :: !old ->
    block();
    pending = false;
    signals = 0
  :: else
  fi
}

inline look() {
  atomic { got = (signals > 0); signals = 0 };
#ifndef LOOK_TAKES
  if
  :: got && pending -> signals++
  :: else
  fi
#endif
}
#endif

proctype Blocking() {
  bool old;
  do
  :: taken == WAKERS * WAKES -> break
  :: else ->
    if
    :: atomic { work > 0 -> work--; taken++ }
    :: else -> poll()
    fi
  od
}

proctype Looking() {
  bool got;
  byte i;
  for (i : 1 .. 3) {
    look()
  }
}

init {
  byte i;
  atomic {
    for (i : 1 .. WAKERS) {
      run Waker()
    }
    run Blocking();
    run Looking()
  }
  events++
}
