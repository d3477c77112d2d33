/* The wall clock of a process is what stands in the file that CASCADE_YEAR_CLOCK names: milliseconds since 1970,
 * eight bytes in the order of this machine. Other clocks are left alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *clock_ms(void) {
    static volatile int64_t *mapped;
    const char *path = getenv("CASCADE_YEAR_CLOCK");
    if (mapped || !path) return mapped;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    void *found = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (found != MAP_FAILED) mapped = found;
    return mapped;
}

int clock_gettime(clockid_t id, struct timespec *out) {
    volatile int64_t *ms = id == CLOCK_REALTIME ? clock_ms() : 0;
    if (!ms) return (int)syscall(SYS_clock_gettime, id, out);
    int64_t now = *ms;
    out->tv_sec = now / 1000;
    out->tv_nsec = now % 1000 * 1000000;
    return 0;
}
