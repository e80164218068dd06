// A socket pair of the kernel's.
#include "cli/workload/serve/stream_pair.h"

#include "netpoll/net/pipe.h"

namespace netpoll::workload {

Result<std::pair<Conn, Conn>> stream_pair() { return socket_pair(); }

}  // namespace netpoll::workload
