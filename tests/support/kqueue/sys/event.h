// sys/event.h: the part of kqueue(2) that libruntime/poll/poller_kqueue.cc uses, for kqueue.cc beside this folder.
// Names and meanings are those of the manual page; EV_OOBAND is macOS's. Numbers are ours: nothing but kqueue.cc reads
// them.
#pragma once

#include <stdint.h>
#include <time.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_USER (-3)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_DISPATCH 0x0080
#define EV_OOBAND 0x2000
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

#define NOTE_TRIGGER 0x01000000

struct kevent {
  uintptr_t ident;
  short filter;
  unsigned short flags;
  unsigned int fflags;
  int64_t data;
  void* udata;
};

#define EV_SET(kev, a, b, c, d, e, f) (*(kev) = (struct kevent){(a), (b), (c), (d), (e), (f)})

#ifdef __cplusplus
extern "C" {
#endif
int kqueue(void);
int kevent(int kq, const struct kevent* changes, int nchanges, struct kevent* events, int nevents,
           const struct timespec* timeout);
#ifdef __cplusplus
}
#endif
