// known_tracepoints: USDT probes of provider "netpoll" with semaphores, as libruntime has them, hit in known numbers.
//
//   known_tracepoints ROUND...     a round is "NAME=HITS,NAME=HITS" or "await"
//
// "await" prints "ready" and waits for a byte on standard input. At the end it prints, per probe, how often it was hit
// while its semaphore was raised, and how often the semaphore said that nobody listens:
//
//   tracepoint NAME HITS UNHEARD
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#define SEMAPHORE(name) __attribute__((section(".probes"))) volatile unsigned short netpoll_##name##_semaphore
extern "C" {
SEMAPHORE(park);
SEMAPHORE(ready);
SEMAPHORE(poll_exit);
// Not a row of tracepoints.def: a probe of a newer libruntime, which this tool does not know.
SEMAPHORE(of_the_future);
}

namespace {

struct Probe {
  const char* name;
  volatile unsigned short* semaphore;
  long hits = 0, unheard = 0;
};
std::array<Probe, 4> probes = {{
    {"park", &netpoll_park_semaphore},
    {"ready", &netpoll_ready_semaphore},
    {"poll_exit", &netpoll_poll_exit_semaphore},
    {"of_the_future", &netpoll_of_the_future_semaphore},
}};

void hit(std::size_t index, long n) {
  Probe& probe = probes[index];
  if (*probe.semaphore == 0) {
    ++probe.unheard;
    return;
  }
  ++probe.hits;
  switch (index) {
    case 0:
      // Two sites of one probe, as inlining makes them.
      if (n % 2 == 0) {
        STAP_PROBE5(netpoll, park, n, 1, 2, 3, 4);
      } else {
        STAP_PROBE5(netpoll, park, -n, 1, 2, 3, 4);
      }
      break;
    case 1:
      STAP_PROBE4(netpoll, ready, n, 1, 2, 3);
      break;
    case 2:
      STAP_PROBE1(netpoll, poll_exit, n);
      break;
    default:
      STAP_PROBE1(netpoll, of_the_future, n);
      break;
  }
}

void play(const std::string& round) {
  if (round == "await") {
    char byte;
    if (::write(1, "ready\n", 6) != 6 || ::read(0, &byte, 1) != 1) std::exit(1);
    return;
  }
  std::size_t at = 0;
  while (at < round.size()) {
    const std::size_t equals = round.find('=', at);
    const std::size_t comma = round.find(',', at);
    const std::string name = round.substr(at, equals - at);
    const long hits = std::atol(round.c_str() + equals + 1);
    for (std::size_t i = 0; i < probes.size(); ++i) {
      if (name != probes[i].name) continue;
      for (long n = 0; n < hits; ++n) hit(i, n);
    }
    at = comma == std::string::npos ? round.size() : comma + 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) play(argv[i]);
  for (const Probe& probe : probes) std::printf("tracepoint %s %ld %ld\n", probe.name, probe.hits, probe.unheard);
  return 0;
}
