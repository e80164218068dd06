/*
 * poll_takeover.pml: who polls in hybrid mode, and that somebody always does.
 * Model of libruntime/sched/proc.cc (idle_until_work, poll_as_idle_m, blocking_poll), poll_thread.cc (watch_ms,
 * poll_thread_loop), park.cc (inject) and machine.cc (idle_p_get, stop_m, start_m).
 *
 * One goroutine waits for a descriptor. Another one, the hog, becomes runnable in one of three ways and then computes
 * until the waiter's event has been collected from the poller, without ever coming back to the scheduler: that is the
 * time in which no M comes by. The event may come at any moment.
 *
 * Shown, for every fair interleaving: the event is collected (with HOG_RUNS: the hog gets to run). Fair means that a
 * process that can go on does go on some time; sleeps with a limit can always go on, sleeps without one only when
 * somebody wakes them.
 *
 * check_model.sh runs the lines that begin with "holds" and "finds": the first must hold, and in each of the second, a
 * broken variant of the code, spin must find the fault. PS is the number of Ps.
 *   holds  BY_TIMER PS=1                the hog sleeps, and a timer makes it runnable
 *   holds  BY_TIMER PS=2
 *   holds  BY_EVENT PS=1                the hog waits for another descriptor
 *   holds  BY_EVENT PS=2
 *   holds  FROM_OUTSIDE PS=1            another thread starts the hog
 *   holds  FROM_OUTSIDE PS=2
 *   holds  FROM_OUTSIDE HOG_RUNS PS=1
 *   finds  BY_TIMER NO_WAKE_BY_P PS=2   an M that takes an idle P does not wake the watch of the poll thread
 *   finds  BY_TIMER NO_WAKE_BY_M        an M that leaves the poller and finds every P busy does not wake it
 *   finds  BY_TIMER LATE_LEAVE          an M that leaves the poller takes its P first and says so second
 *   finds  BY_EVENT NO_LOOK             the watch sleeps without a look at who polls
 *   finds  BY_TIMER NO_THREAD           there is no poll thread
 *   finds  FROM_OUTSIDE HOG_RUNS NO_GLOBAL_LOOK  an M gives its P back without a look at the global queue
 */
#ifndef PS
#define PS 1
#endif

#define kNone 0
#define kHog 1
#define kWaiter 2

byte idle_p_count = PS;
byte idle_m_count = 0;  /* Ms that sleep in stop_m */
byte handed_ps = 0;     /* M::next_p of Ms that were woken and did not take it yet */
byte global_hogs = 0;   /* global_, by kind */
byte global_waiters = 0;

byte m_polls = 0;
byte poll_thread_asleep = 0;
bit m_poll_count = 0;   /* only changes matter */

bool timer_queued = false; /* the hog's sleep */
bool timer_due = false;
byte waiters = 0;          /* Netpoll::waiters_ */

bool waiter_event = false; /* reported by the kernel when somebody asks */
bool hog_event = false;
bool collected = false;
bool hog_ran = false;

#ifdef HOG_RUNS
ltl the_hog_runs { <> hog_ran }
#else
ltl the_event_is_collected { <> collected }
#endif

/* Sections under mutex_ are one step each. Others read idle_p_count without the lock, but a section changes it once and
 * looks at other words only after that, so no order of steps is lost. */

/* wake_sleeper(poll_thread_asleep_); the futex is the word itself. */
inline wake_watch() {
  if
  :: poll_thread_asleep != 0 -> poll_thread_asleep = 0
  :: else
  fi
}

/* idle_p_get(), mutex_ held. Whoever takes a P while nobody sits in the poller wakes the watch. */
inline idle_p_get(got) {
  if
  :: idle_p_count > 0 ->
    idle_p_count--;
    got = true;
#ifndef NO_WAKE_BY_P
    if
    :: poll_thread_asleep != 0 && m_polls == 0 -> wake_watch()
    :: else
    fi
#endif
  :: else -> got = false
  fi
}

/* start_m(): a sleeping M gets the P, else a new M. There are always enough Ms here. */
inline start_m() {
  handed_ps++
}

/* epoll_wait: what is there is collected, its goroutines go on the caller's list. */
inline collect(hogs, waiting) {
  atomic {
    hogs = 0;
    waiting = 0;
    if
    :: waiter_event -> waiter_event = false; collected = true; waiting = 1; waiters--
    :: else
    fi;
    if
    :: hog_event -> hog_event = false; hogs = 1; waiters--
    :: else
    fi
  }
}

/* inject() of a list */
inline inject(hogs, waiting) {
  if
  :: hogs + waiting > 0 ->
    atomic {
      global_hogs = global_hogs + hogs;
      global_waiters = global_waiters + waiting
    };
    if
    :: idle_p_count != 0 ->
      atomic {
        if
        :: global_hogs + global_waiters > 0 -> idle_p_get(got)
        :: else -> got = false
        fi
      };
      if
      :: got -> start_m()
      :: else
      fi
    :: else
    fi
  :: else
  fi
}

/* An M: m_loop(). It begins asleep, without a P. */
proctype Machine() {
  bool has_p = false;
  bool got = false;
  bool was_waiting = false;
  byte next = kNone;
  byte hogs = 0;
  byte waiting = 0;
sleeping:
  /* stop_m() slept; start_m() handed a P over. */
end:
  atomic { handed_ps > 0 -> handed_ps--; has_p = true };

looking:
  /* find_runnable(): global queue, local queue (the rest of a batch), timers. */
  atomic {
    next = kNone;
    if
    :: global_hogs > 0 -> global_hogs--; next = kHog
    :: global_hogs == 0 && global_waiters > 0 -> global_waiters--; next = kWaiter
    :: else
    fi
  };
  if
  :: next == kNone && hogs > 0 -> hogs = 0; next = kHog
  :: next == kNone && hogs == 0 && waiting > 0 -> waiting = 0; next = kWaiter
  :: next == kNone && hogs == 0 && waiting == 0 && timer_queued && timer_due ->
    atomic {
      if
      :: timer_queued -> timer_queued = false; next = kHog
      :: else
      fi
    }
  :: else
  fi;
  if
  :: next == kHog ->
    hog_ran = true;
    collected; /* computes until then */
    goto looking
  :: next == kWaiter -> goto looking
  :: else
  fi;
  got = false;

  /* idle_until_work() */
  atomic {
#ifndef NO_GLOBAL_LOOK
    if
    :: global_hogs + global_waiters > 0 -> goto looking
    :: else
    fi;
#endif
    idle_p_count++;
    has_p = false
  };

  /* poll_as_idle_m() */
  if
  :: waiters == 0 && !timer_queued -> goto stop
  :: else
  fi;
  atomic { got = (m_polls == 0); m_polls = 1 };
  if
  :: !got -> goto stop
  :: else
  fi;
  /* blocking_poll(): until an event, or the earliest timer is due. */
  (waiter_event || hog_event || (timer_queued && timer_due));
  collect(hogs, waiting);
  m_poll_count = 1 - m_poll_count;
#ifdef LATE_LEAVE
  atomic { idle_p_get(got) };
  m_polls = 0;
#else
  m_polls = 0;
  atomic { idle_p_get(got) };
#endif
  if
  :: got -> has_p = true; got = false; goto looking
  :: else ->
    /* Every P is busy, and this M goes to sleep. */
#ifndef NO_WAKE_BY_M
    wake_watch();
#endif
    inject(hogs, waiting);
    hogs = 0;
    waiting = 0
  fi;

stop:
  /* stop_m() */
  atomic {
    if
    :: global_hogs + global_waiters > 0 && idle_p_count > 0 ->
      idle_p_get(got);
      has_p = true;
      got = false;
      goto looking
    :: else
    fi
  };
  goto sleeping
}

#ifndef NO_THREAD
/* poll_thread_loop() in hybrid mode */
proctype PollThread() {
  bit seen = 0;
  bool quiet = false; /* kQuietPeriods is 1 here */
  bool may_sleep = false;
  bool got = false;
  byte hogs = 0;
  byte waiting = 0;

watching:
  seen = m_poll_count;
  quiet = false;
  do
  ::
    if
    :: quiet ->
      poll_thread_asleep = 1;
#ifdef NO_LOOK
      may_sleep = true;
#else
      may_sleep = (m_polls != 0);
      if
      :: !may_sleep -> may_sleep = (idle_p_count == PS)
      :: else
      fi;
#endif
      if
      :: may_sleep ->
end:
        poll_thread_asleep == 0 /* futex_wait without a limit */
      :: else
      fi;
      poll_thread_asleep = 0;
      may_sleep = false;
      quiet = false
    :: else -> skip /* sleeps kWatchPeriod */
    fi;
    if
    :: m_poll_count != seen -> seen = 1 - seen; quiet = false
    :: else ->
      if
      :: m_polls != 0 -> quiet = true
      :: else ->
        if
        :: waiters == 0 && !timer_queued -> quiet = true
        :: else ->
          if
          :: idle_p_count == PS -> quiet = true
          :: else -> break
          fi
        fi
      fi
    fi
  od;

  /* poll_thread_loop(): a look that does not block, due timers, and an M for an idle P. */
  collect(hogs, waiting);
  inject(hogs, waiting);
  hogs = 0;
  waiting = 0;
  if
  :: timer_queued && timer_due ->
    atomic {
      if
      :: timer_queued -> timer_queued = false; hogs = 1
      :: else
      fi
    };
    inject(hogs, waiting);
    hogs = 0
  :: else
  fi;
  got = false;
  /* wake_p(), in one step: it takes the P under the lock, and the watch, which taking a P may have to wake, is this.
   * An M that was woken and did not look yet is enough (spinning_ms_). */
  atomic {
    if
    :: idle_p_count != 0 && handed_ps == 0 -> idle_p_count--; handed_ps++
    :: else
    fi
  };
  goto watching
}
#endif

/* The kernel and the clock. */
proctype World() {
#ifdef HOG_RUNS
  hog_ran; /* no event before, that would bring an M out of the poller */
#endif
  waiter_event = true
}

init {
  bool got;
  byte hogs;
  byte waiting;
  /* The waiter has parked; whoever ran it is about to look for work. */
  atomic {
    waiters = 1;
#ifdef BY_EVENT
    waiters = 2;
#endif
#ifdef BY_TIMER
    timer_queued = true;
#endif
    idle_p_count = PS - 1;
    handed_ps = 1;
    run Machine();
    run Machine();
#if PS > 1
    run Machine();
#endif
#ifndef NO_THREAD
    run PollThread();
#endif
    run World()
  };
#ifdef BY_TIMER
  timer_due = true
#endif
#ifdef BY_EVENT
  hog_event = true
#endif
#ifdef FROM_OUTSIDE
  hogs = 1;
  inject(hogs, waiting)
#endif
}
