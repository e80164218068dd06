// net/if.h, for Windows: if_nametoindex and its inverse.
#pragma once

#include <sys/socket.h>

#include <netioapi.h>
