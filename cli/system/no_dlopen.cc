// What stands in for dlopen() in netpoll-trace-static.
//
// A static program that loads shared libraries needs those of the very libc that it was linked with, which a container
// has not. elfutils asks for one, libdebuginfod, to look for debug information on servers: it does without.
extern "C" {

void* dlopen(const char* /*file*/, int /*mode*/) { return nullptr; }
void* dlsym(void* /*handle*/, const char* /*name*/) { return nullptr; }

}  // extern "C"
