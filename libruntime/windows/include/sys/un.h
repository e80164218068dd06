// sys/un.h, for Windows, which has Unix stream sockets since version 10 1803 (afunix.h).
#pragma once

#include <sys/socket.h>

#include <afunix.h>
