// random_step.h: NETPOLL_STEP() marks the places where another thread's step in between could matter. In ordinary
// builds it is nothing; with NETPOLL_RANDOM_YIELDS it gives the processor away at random, from a seed that the stress
// test prints.
#pragma once

#if defined(NETPOLL_RANDOM_YIELDS)
namespace netpoll::sched {
// Yields or spins, by a generator per thread that derives from the seed (NETPOLL_YIELD_SEED) and the thread's number.
void random_step();
}  // namespace netpoll::sched
#define NETPOLL_STEP() ::netpoll::sched::random_step()
#else
#define NETPOLL_STEP() static_cast<void>(0)
#endif
