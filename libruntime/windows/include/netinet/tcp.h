// netinet/tcp.h, for Windows: TCP_NODELAY and its kind come with Winsock.
#pragma once

#include <sys/socket.h>
