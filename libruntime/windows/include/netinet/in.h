// netinet/in.h, for Windows.
#pragma once

#include <sys/socket.h>
