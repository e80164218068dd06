// arpa/inet.h, for Windows.
#pragma once

#include <sys/socket.h>
