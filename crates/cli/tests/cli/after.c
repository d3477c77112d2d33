/* Makes the nth call that changes the disk fail after it was done: what strace cannot do. Counted over all
 * processes that share the file in CASCADE_AFTER_COUNT; CASCADE_AFTER_NTH says which call fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whether this is the call that fails. */
static int fails(void) {
    const char *count = getenv("CASCADE_AFTER_COUNT"), *nth = getenv("CASCADE_AFTER_NTH");
    if (!count || !nth) return 0;
    int fd = open(count, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return 0;
    syscall(SYS_write, fd, ".", 1);
    long now = lseek(fd, 0, SEEK_CUR);
    close(fd);
    return now == atol(nth);
}

static int on_disk(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/* After success, perhaps a lie. */
#define TELL(result) \
    do { \
        if ((result) >= 0 && fails()) { errno = EIO; return -1; } \
        return (result); \
    } while (0)
#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
    ssize_t done = REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t)(fd, bytes, count, at);
    TELL(done);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }
ssize_t write(int fd, const void *bytes, size_t count) {
    ssize_t done = REAL(ssize_t, "write", int, const void *, size_t)(fd, bytes, count);
    if (!on_disk(fd)) return done;
    TELL(done);
}
int fsync(int fd) { int done = REAL(int, "fsync", int)(fd); TELL(done); }
int fdatasync(int fd) { int done = REAL(int, "fdatasync", int)(fd); TELL(done); }
int ftruncate64(int fd, off_t len) { int done = REAL(int, "ftruncate64", int, off_t)(fd, len); TELL(done); }
int ftruncate(int fd, off_t len) { return ftruncate64(fd, len); }
int rename(const char *from, const char *to) {
    int done = REAL(int, "rename", const char *, const char *)(from, to);
    TELL(done);
}
int unlink(const char *path) { int done = REAL(int, "unlink", const char *)(path); TELL(done); }
int mkdir(const char *path, mode_t mode) { int done = REAL(int, "mkdir", const char *, mode_t)(path, mode); TELL(done); }
