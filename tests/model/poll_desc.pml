/*
 * poll_desc.pml: one pollDesc and everybody who touches it.
 * Model of libruntime/poll/netpoll.cc and of the try-wait loop of libruntime/net/net_fd.h.
 *
 * Each atomic instruction of the code is one atomic step here, as is a system call; everything else interleaves.
 *
 * Shown for every interleaving:
 *   - No wake-up is lost: no reader stays parked when its event, deadline, close or cancellation has come.
 *   - A goroutine is made runnable exactly when it is parked, never twice.
 *   - The checks that are fatal in the code ("double wait", "corrupted pollDesc", "blocked goroutine on a closing
 *     pollDesc") never fail; the count of waiters never goes below zero and ends at zero.
 *   - kTimeout is only reported for a deadline that stood and had passed.
 *   - A second life of the pollDesc is not touched by an event that was stale when it was looked at, never gets a
 *     hang-up or a timeout of the first, and is not disturbed by the one spurious wake-up that is possible.
 *
 * Scenarios. check_model.sh runs the lines that begin with "holds" and "finds": the first must hold, and in each of the
 * second, a broken variant of the code, spin must find the fault. TRIGGER is 0 for edge, 1 for oneshot, 2 for level.
 *
 * A peer sends two messages and a FIN; two threads poll; the reader applies the drain rule (a short read proves that the
 * next one would give EAGAIN, so it parks first). It must get both messages and the end.
 *   holds  DRAIN TRIGGER=0
 *   holds  DRAIN TRIGGER=1
 *   holds  DRAIN TRIGGER=2
 *   finds  DRAIN NO_HANGUP               a hang-up is not remembered: the FIN shared its edge with data
 *   finds  DRAIN HANGUP_AFTER_READY      it is remembered after the reader was made ready
 *   finds  DRAIN KEEP_DRAINED            a reader that finds a hang-up noted still parks first
 *   finds  DRAIN PREPARE_BEFORE_WAIT     readiness is forgotten between the try and the wait
 *   finds  DRAIN TRIGGER=1 KEEP_ARMED    a direction that oneshot has disarmed still counts as armed
 *
 * The deadline is set, moved and cleared while the reader waits and timers fire. In the end a deadline, an event, a
 * close or a cancellation comes, one of them, and must get the reader out.
 *   holds  DEADLINE TRIGGER=0
 *   finds  DEADLINE UNBLOCK_FIRST        close and deadlines unblock first and publish second
 *   finds  DEADLINE NO_RECHECK           the waiter does not look again after it has set kPdWait
 *   finds  DEADLINE BLIND_COMMIT         the park commit stores G without looking
 *   finds  DEADLINE COUNT_AFTER_COMMIT   waiters_ goes up after the commit
 *   finds  DEADLINE NO_AHEAD_CHECK       a timer that fires does not look whether its deadline has moved
 *   finds  DEADLINE NO_RESTART           it looks, but does not start again
 *   finds  DEADLINE READY_UNTAKEN        close resets the semaphore without compare-and-swap
 *
 * The descriptor is closed under its reader and the pollDesc begins a second life with another descriptor and another
 * reader, while events and timers of the first are still under way.
 *   holds  REUSE TRIGGER=0
 *   finds  REUSE NO_SEQ                  an event's life is not compared
 *   finds  REUSE NO_SEQ_UNDER_LOCK       it is not compared again where the event's bits are noted
 *   finds  REUSE CLOSE_EARLY             the pollDesc is given back while its reader is still inside
 *
 * A reader and a writer wait for the same descriptor, and either may become ready first.
 *   holds  DUPLEX TRIGGER=0
 *   holds  DUPLEX TRIGGER=1
 *   holds  DUPLEX TRIGGER=2
 *   finds  DUPLEX TRIGGER=1 NO_REARM     the direction that was not delivered is not armed again
 *
 * Two goroutines read the same descriptor; the fd mutex lets one wait at a time.
 *   holds  TWO_READERS
 *   finds  TWO_READERS NO_FD_MUTEX       nothing keeps the second reader out
 */

#define kPdNil 0
#define kPdReady 1
#define kPdWait 2
#define G(reader) (3 + reader)

/* PollResult; kRead and kEnd are results of a read */
#define kOk 0
#define kClosing 1
#define kTimeout 2
#define kCanceled 4
#define kRead 5
#define kEnd 6

#define kWritten 7

#define kReadMode 0
#define kWriteMode 1
#define kReadBit 1
#define kWriteBit 2

#ifndef TRIGGER
#define TRIGGER 0
#endif
#define kEdge 0
#define kOneshot 1
#define kLevel 2

#define kExpired 255
#define BUFFER 2 /* units that a read can take; a message is one */

/* PollDesc */
byte semaphore[2]; /* both kPdNil */
#define rg semaphore[kReadMode]
#define wg semaphore[kWriteMode]
byte seq = 1;
bool lock = false;
byte armed = 0; /* oneshot, level */
byte rd = 0;
/* PollDesc::info. Bits of one word: a load sees all of them at once. */
bool info_closing = false;
bool info_hangup = false;
bool info_expired = false;
bool info_canceled = false;

/* PollDesc::timer[0]: queued while timer.heap is not null. The callback gets the life as its word. */
bool timer_queued = false;
byte timer_when = 0;
byte timer_life = 0;

byte waiters = 0; /* Netpoll::waiters_ */
byte now = 0;     /* the clock, 0 .. 2 */

/* Goroutines: one per reader, how often on a run queue. */
byte runnable[2];
byte left = 0; /* readers that have ended */

/* FdMutex of the descriptor of each life. */
bool fd_closed[2];
bool fd_read_lock[2];
byte fd_refs[2];

/* The kernel: a stream per life, and its registration: the interest, and whether it is on the ready list. */
byte stream_data[2];
bool stream_fin[2];
bool stream_err[2];
bool stream_room[2]; /* it can be written to */
bool registered[2];
byte interest[2];
bool listed[2];

#define IS_READABLE(f) (stream_data[f] > 0 || stream_fin[f] || stream_err[f])
#define IS_WRITABLE(f) (stream_room[f] || stream_err[f])

byte messages_read[2];
bool fin_read[2];

#define LIFE(index) (index + 1) /* seq of the life of descriptor index */

inline acquire(l) { atomic { !l -> l = true } }
inline release(l) { l = false }

/* Scheduler::ready(), and a poll result that reaches a run queue. */
inline make_runnable(g) {
  atomic {
    assert(runnable[g - 3] == 0);
    runnable[g - 3] = 1
  }
}

/* epoll_ctl(MOD): what is ready already is reported. */
inline modify(f, bits) {
  atomic {
    interest[f] = bits;
    if
    :: ((bits & kReadBit) && IS_READABLE(f)) || ((bits & kWriteBit) && IS_WRITABLE(f)) -> listed[f] = true
    :: else
    fi
  }
}

/* Netpoll check(): one load of info. */
inline check(mode, r) {
  atomic {
    if
    :: info_closing -> r = kClosing
    :: else ->
      if
      :: info_canceled -> r = kCanceled
      :: else ->
        if
        :: info_expired && mode == kReadMode -> r = kTimeout
        :: else -> r = kOk
        fi
      fi
    fi
  }
}

/* Netpoll::prepare() */
inline prepare(mode, r) {
  check(mode, r);
  if
  :: r == kOk ->
    if
    :: semaphore[mode] != kPdNil -> semaphore[mode] = kPdNil
    :: else
    fi
  :: else
  fi
}

/* Netpoll::take_waiter(); g is 0 or the G that was parked. */
inline take_waiter(mode, io_ready, g) {
  g = 0;
  old = semaphore[mode];
  do
  :: old == kPdReady -> old = kPdNil; break
  :: old == kPdNil && !io_ready -> break
  :: else ->
    atomic {
      if
      :: semaphore[mode] == old ->
        semaphore[mode] = (io_ready -> kPdReady : kPdNil);
        swapped = true
      :: else ->
        old = semaphore[mode];
        swapped = false
      fi
    };
    if
    :: swapped -> break
    :: else
    fi
  od;
  if
  :: old > kPdWait ->
    atomic { assert(waiters > 0); waiters-- };
    g = old
  :: else
  fi;
  old = 0;
  swapped = false
}

/* The same as close() would do it without taking. */
inline see_waiter(g) {
  g = 0;
  old = rg;
  if
  :: old > kPdWait -> rg = kPdNil; g = old; atomic { assert(waiters > 0); waiters-- }
  :: old == kPdWait -> rg = kPdNil
  :: else
  fi;
  old = 0
}

/* Netpoll::arm() */
inline arm(f, mode) {
  acquire(lock);
  if
  :: armed & (1 << mode) -> skip
  :: else ->
    armed = armed | (1 << mode);
    modify(f, armed)
  fi;
  release(lock)
}

/* Netpoll::block() for goroutine `self`; ready tells whether the direction is. */
inline block(f, self, mode, ready) {
#if TRIGGER != kEdge
  if
  :: semaphore[mode] == kPdNil -> arm(f, mode)
  :: else
  fi;
#endif
  do
  :: state = semaphore[mode];
    if
    :: state == kPdReady ->
      atomic {
        if
        :: semaphore[mode] == kPdReady -> semaphore[mode] = kPdNil; ready = true; swapped = true
        :: else -> swapped = false
        fi
      }
    :: else ->
      assert(state == kPdNil); /* fatal: double wait */
      atomic {
        if
        :: semaphore[mode] == kPdNil -> semaphore[mode] = kPdWait; ready = false; swapped = true
        :: else -> swapped = false
        fi
      }
    fi;
    if
    :: swapped -> break
    :: else
    fi
  od;
  if
  :: !ready ->
#ifdef NO_RECHECK
    result = kOk;
#else
    check(mode, result);
#endif
    if
    :: result == kOk ->
      /* Scheduler::park(); the commit runs on g0, after the context was saved. */
#ifndef COUNT_AFTER_COMMIT
      waiters++;
#endif
      atomic {
#ifdef BLIND_COMMIT
        semaphore[mode] = G(self);
        swapped = true
#else
        if
        :: semaphore[mode] == kPdWait -> semaphore[mode] = G(self); swapped = true
        :: else -> swapped = false
        fi
#endif
      };
#ifdef COUNT_AFTER_COMMIT
      if
      :: swapped -> waiters++
      :: else
      fi;
#endif
      if
      :: swapped -> atomic { runnable[self] == 1 -> runnable[self] = 0 }
      :: else ->
#ifndef COUNT_AFTER_COMMIT
        atomic { assert(waiters > 0); waiters-- }
#endif
      fi
    :: else
    fi;
    atomic {
      assert(semaphore[mode] <= kPdWait); /* fatal: corrupted pollDesc */
      ready = (semaphore[mode] == kPdReady);
      semaphore[mode] = kPdNil
    }
  :: else
  fi;
  state = 0;
  swapped = false
}

/* Netpoll::wait() */
inline wait(f, self, mode, r) {
  do
  :: check(mode, r);
    if
    :: r != kOk -> break
    :: else
    fi;
    block(f, self, mode, ready);
    if
    :: ready -> r = kOk; break
    :: else
    fi
  od;
  ready = false
}

/* FdMutex::lock(kRead) and unlock(). Whoever drops the last reference of a closed descriptor destroys it; here the
 * closer waits for that. */
inline lock_read(f, ok) {
  atomic {
#ifdef NO_FD_MUTEX
    true ->
#else
    (fd_closed[f] || !fd_read_lock[f]) ->
#endif
    if
    :: fd_closed[f] -> ok = false
    :: else -> fd_read_lock[f] = true; fd_refs[f]++; ok = true
    fi
  }
}
inline unlock_read(f) { atomic { fd_read_lock[f] = false; fd_refs[f]-- } }

/* NetFd::read() until the end of the stream or an error. f is the descriptor, self the goroutine. */
proctype Reader(byte f, self) {
  byte result, state;
  bool ready, swapped, ok;
  bool drained = true;
  byte taken;
  byte retries = 1;
  do
  :: lock_read(f, ok);
    if
    :: !ok -> result = kClosing
    :: else ->
#ifndef KEEP_DRAINED
      /* forget_drained_after_hangup() */
      if
      :: drained && info_hangup -> drained = false
      :: else
      fi;
#endif
      /* attempt() */
      do
      ::
        if
        :: drained ->
#ifdef PREPARE_BEFORE_WAIT
          prepare(kReadMode, result);
          if
          :: result != kOk -> break
          :: else
          fi;
#endif
          wait(f, self, kReadMode, result);
          if
          :: result != kOk -> break
          :: else -> drained = false
          fi
        :: else
        fi;
        prepare(kReadMode, result);
        if
        :: result != kOk -> break
        :: else
        fi;
        atomic { /* read(2) */
          if
          :: stream_data[f] > 0 ->
            taken = (stream_data[f] < BUFFER -> stream_data[f] : BUFFER);
            stream_data[f] = stream_data[f] - taken;
            messages_read[f] = messages_read[f] + taken;
            result = kRead
          :: else ->
            if
            :: stream_fin[f] -> fin_read[f] = true; result = kEnd
            :: else -> result = kOk /* EAGAIN */
            fi
          fi
        };
        if
        :: result == kRead ->
          drained = (taken < BUFFER);
          taken = 0;
          break
        :: result == kEnd -> break
        :: else -> drained = true
        fi
      od;
      unlock_read(f)
    fi;
    if
    :: result == kRead -> skip
    :: result == kTimeout && retries > 0 -> retries--
    :: else -> break
    fi
  od;
#ifdef REUSE
  assert(f == 0 || result == kEnd);
#endif
  left++
}

/* NetFd::write_all() of one unit: the try comes first. */
proctype Writer(byte f, self) {
  byte result, state;
  bool ready, swapped;
  bool idle = false;
  do
  ::
    if
    :: idle ->
      wait(f, self, kWriteMode, result);
      if
      :: result != kOk -> break
      :: else -> idle = false
      fi
    :: else
    fi;
    prepare(kWriteMode, result);
    if
    :: result != kOk -> break
    :: else
    fi;
    if /* write(2) */
    :: stream_room[f] -> result = kWritten; break
    :: else -> idle = true
    fi
  od;
  assert(result == kWritten);
  left++
}

/* A thread that polls: epoll_wait, then Netpoll::on_event() for what it returned. */
proctype Poller() {
  byte f, modes, life, looked, g, old;
  bool swapped, hangup;
end:
  do
  :: atomic {
      if
      :: registered[0] && listed[0] -> f = 0
      :: registered[1] && listed[1] -> f = 1
      fi;
      /* The state is asked when the event is collected: what arrived until now is in it. ERR cannot be masked. */
      if
      :: ((interest[f] & kReadBit) && IS_READABLE(f)) || (interest[f] && stream_err[f]) -> modes = modes | kReadBit
      :: else
      fi;
      if
      :: ((interest[f] & kWriteBit) && IS_WRITABLE(f)) || (interest[f] && stream_err[f]) -> modes = modes | kWriteBit
      :: else
      fi;
      hangup = ((interest[f] & kReadBit) && stream_fin[f]) || stream_err[f];
      life = LIFE(f);
#if TRIGGER == kLevel
      listed[f] = (modes != 0);
#else
      listed[f] = false;
#endif
#if TRIGGER == kOneshot
      if
      :: modes -> interest[f] = 0
      :: else
      fi;
#endif
      skip
    };
    looked = seq;
    if
    :: modes == 0 -> skip
#ifndef NO_SEQ
    :: modes && looked != life -> skip /* stale_event */
#endif
    :: else ->
      assert(looked == life);
#ifdef NO_HANGUP
      hangup = false;
#endif
#ifdef HANGUP_AFTER_READY
      take_waiter(kReadMode, true, g);
      if
      :: g -> make_runnable(g)
      :: else
      fi;
#endif
      if
      :: hangup || TRIGGER != kEdge ->
        acquire(lock);
#ifdef NO_SEQ_UNDER_LOCK
        if
        :: true ->
#else
        if
        :: seq == life ->
#endif
          assert(seq == life);
          info_hangup = info_hangup || hangup;
#if TRIGGER != kEdge
          /* after_delivery(): modes becomes what is to be delivered. */
          modes = modes & armed;
          if
          :: armed == 0 || info_closing || (TRIGGER == kLevel && modes == 0) -> skip
          :: else ->
#ifndef KEEP_ARMED
            armed = armed & (3 - modes);
#endif
            if
#if !defined(NO_REARM) && !defined(KEEP_ARMED)
            :: TRIGGER == kLevel || armed -> modify(f, armed)
#endif
            :: else
            fi
          fi;
#endif
          skip
        :: else -> modes = 0 /* stale after all */
        fi;
        release(lock)
      :: else
      fi;
#ifndef HANGUP_AFTER_READY
      if
      :: modes & kReadBit ->
        take_waiter(kReadMode, true, g);
        if
        :: g -> make_runnable(g)
        :: else
        fi
      :: else
      fi;
      if
      :: modes & kWriteBit ->
        take_waiter(kWriteMode, true, g);
        if
        :: g -> make_runnable(g)
        :: else
        fi
      :: else
      fi
#endif
    fi;
    atomic { f = 0; modes = 0; life = 0; looked = 0; g = 0; hangup = false }
  od
}

/* TimerHeap::run() and Netpoll::deadline_passed(). */
proctype TimerRun() {
  byte life, g, old;
  bool swapped;
end:
  do
  :: atomic { timer_queued && timer_when <= now -> timer_queued = false; life = timer_life };
    g = 0;
    acquire(lock);
    if
    :: seq != life || info_closing || rd == 0 || rd == kExpired -> skip
    :: else ->
      if
#ifndef NO_AHEAD_CHECK
      :: rd > now ->
#ifndef NO_RESTART
        if
        :: timer_queued -> skip /* set anew meanwhile */
        :: else -> atomic { timer_when = rd; timer_life = seq; timer_queued = true }
        fi
#else
        skip
#endif
#endif
      :: else ->
        assert(rd <= now && seq == life); /* the deadline that stands has passed */
        rd = kExpired;
#ifdef UNBLOCK_FIRST
        take_waiter(kReadMode, false, g);
        info_expired = true
#else
        info_expired = true;
        take_waiter(kReadMode, false, g)
#endif
      fi
    fi;
    release(lock);
    if
    :: g != 0 -> make_runnable(g)
    :: else
    fi;
    atomic { g = 0; life = 0 }
  od
}

/* Netpoll::set_deadline() and change_deadline() */
inline set_deadline(when) {
  g = 0;
  acquire(lock);
  if
  :: info_closing -> skip
  :: else ->
    if
    :: when != 0 && when <= now ->
      rd = kExpired;
#ifdef UNBLOCK_FIRST
      timer_queued = false;
      take_waiter(kReadMode, false, g);
      info_expired = true
#else
      info_expired = true;
      timer_queued = false;
      take_waiter(kReadMode, false, g)
#endif
    :: else ->
      rd = when;
      info_expired = false;
      if
      :: when == 0 -> timer_queued = false
      :: else ->
        if
        :: timer_queued && timer_when <= when -> skip /* fires early, finds the deadline ahead */
        :: else ->
          timer_queued = false;
          atomic { timer_when = when; timer_life = seq; timer_queued = true }
        fi
      fi
    fi
  fi;
  release(lock);
  if
  :: g != 0 -> make_runnable(g)
  :: else
  fi
}

/* Netpoll::unblock() */
inline unblock() {
  acquire(lock);
  assert(!info_closing); /* fatal: unblock on closing pollDesc */
#ifdef UNBLOCK_FIRST
  take_waiter(kReadMode, false, g);
  info_closing = true;
#else
  info_closing = true;
#ifdef READY_UNTAKEN
  see_waiter(g);
#else
  take_waiter(kReadMode, false, g);
#endif
#endif
  timer_queued = false;
  release(lock);
  if
  :: g != 0 -> make_runnable(g)
  :: else
  fi
}

/* Netpoll::cancel_all() for this pollDesc */
inline cancel_all() {
  acquire(lock);
  info_canceled = true;
  take_waiter(kReadMode, false, g);
  release(lock);
  if
  :: g != 0 -> make_runnable(g)
  :: else
  fi
}

/* The other end. A registration is listed whenever something changes that it is interested in. */
inline send(f) { atomic { stream_data[f]++; listed[f] = listed[f] || (interest[f] & kReadBit) } }
inline send_fin(f) { atomic { stream_fin[f] = true; listed[f] = listed[f] || (interest[f] & kReadBit) } }
inline send_error(f) { atomic { stream_err[f] = true; listed[f] = listed[f] || interest[f] } }
inline make_room(f) { atomic { stream_room[f] = true; listed[f] = listed[f] || (interest[f] & kWriteBit) } }

/* Netpoll::open(): both directions for good with the edge trigger, else none yet. */
inline open(f) {
  atomic {
    registered[f] = true;
    interest[f] = (TRIGGER == kEdge -> kReadBit | kWriteBit : 0);
    listed[f] = (TRIGGER == kEdge && (IS_READABLE(f) || IS_WRITABLE(f)))
  }
}

proctype Clock() {
  do
  :: now < 2 -> now++
  :: else -> break
  od
}

/* close(2) of the first descriptor takes the registration with it, but only some time after PollCache::put(). */
proctype CloseFd() { atomic { registered[0] = false; listed[0] = false } }

init {
  byte g, old;
  bool swapped;
  open(0);

#ifdef DRAIN
  atomic { run Reader(0, 0); run Poller(); run Poller() };
  send(0);
  send(0);
  send_fin(0);
  (left == 1);
  assert(messages_read[0] == 2 && fin_read[0]);
#endif

#ifdef TWO_READERS
  atomic { run Reader(0, 0); run Reader(0, 1); run Poller() };
  send(0);
  send_fin(0);
  (left == 2);
  assert(messages_read[0] == 1);
#endif

#ifdef DUPLEX
  atomic { run Reader(0, 0); run Writer(0, 1); run Poller(); run Poller() };
  if
  :: make_room(0); send_fin(0)
  :: send_fin(0); make_room(0)
  fi;
  (left == 2);
  assert(fin_read[0]);
#endif

#ifdef DEADLINE
  atomic { run Reader(0, 0); run Poller(); run TimerRun(); run TimerRun(); run Clock() };
  if
  :: set_deadline(0)
  :: set_deadline(1)
  :: set_deadline(2)
  fi;
  if
  :: set_deadline(0)
  :: set_deadline(1)
  :: set_deadline(2)
  fi;
  /* One of these, and it alone must get the reader out (a deadline from above may have done it before). */
  if
  :: set_deadline(1)
  :: set_deadline(2)
  :: send_fin(0)
  :: fd_closed[0] = true; unblock()
  :: cancel_all()
  fi;
  (left == 1);
#endif

#ifdef REUSE
  atomic { run Reader(0, 0); run Poller() };
  /* What of the first life may reach into the second. */
  if
  :: send(0)
  :: send_error(0)
  :: atomic { run TimerRun(); run Clock() }; set_deadline(1)
  fi;
  /* NetFd::close(): nobody new gets in, who is inside is sent out, the last one lets us go on. */
  atomic { fd_closed[0] = true };
  unblock();
#ifndef CLOSE_EARLY
  (fd_refs[0] == 0);
#endif
  /* Netpoll::close() and PollCache::put() */
  assert(rg <= kPdReady); /* fatal: blocked goroutine on a closing pollDesc */
  acquire(lock);
  seq++;
  release(lock);
  run CloseFd();
  /* PollCache::get() and open() for another descriptor. */
  acquire(lock);
  assert(rg <= kPdReady); /* fatal: blocked goroutine on a free pollDesc */
  rg = kPdNil;
  wg = kPdNil;
  rd = 0;
  armed = 0;
  atomic {
    info_closing = false;
    info_hangup = false;
    info_expired = false;
    info_canceled = false
  };
  release(lock);
  open(1);
  run Reader(1, 1);
  send_fin(1);
  (left == 2);
  assert(fin_read[1]);
#endif

  assert(waiters == 0 && runnable[0] == 0 && runnable[1] == 0)
}
