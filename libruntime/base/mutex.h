// mutex.h: base::Mutex lives among the public headers, because the objects of netpoll/sync contain one.
#pragma once

#include "netpoll/base/mutex.h"  // IWYU pragma: export
