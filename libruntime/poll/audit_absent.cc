// No audit: the system keeps no list of registrations that could be compared.
#include "libruntime/poll/netpoll.h"

namespace netpoll::poll {

void Netpoll::audit() {}

}  // namespace netpoll::poll
