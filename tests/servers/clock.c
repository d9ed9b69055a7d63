/* Preloaded into a program, it puts the program's wall clock ahead or behind by SECONDS; what measures spans stays. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += SECONDS;
    return done;
}
