// Faults for a process that is started with this library in LD_PRELOAD. Every file call below FAULT_BASE is a failpoint with a name,
// the call and what it is about (names.h), and a number, as the `link:final` that comes as the third.
//   FAULT_LOG  a file that gets a line for each of them: "name number path", and "! name number fault" for a fault
//   FAULT_AT   "name number fault; …": what happens there. `*` for any name (of a call that changes something) or any number;
//              `link:final@b` only below the folder b of the base.
//   FAULT_FD   where a line is written before the process stops itself
// Faults: kill, kill-after, stop, swallow (nothing is done, and told as done), done-but-EIO, short (half of a write, and the next ENOSPC),
// short-kill, garble (a byte of what is read or written becomes another), and names of errors, which the call then returns without having done anything (close: having closed).
#define _GNU_SOURCE
#include "failpoint.h"
#include <dirent.h>
#include <dlfcn.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

// The function that stands behind ours.
#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

// `do it` under the fault that waits for it there.
#define UNDER(now, doing) \
  struct call now_ = (now); \
  if (is_refused(now_)) return -1; \
  if (now_.swallow) return 0; \
  return ended(now_, doing)

static struct call meet_path(const char *call, const char *path, int making, int changes) {
  return meet(call, base[0] && path ? class_of(path, making) : NULL, path, changes);
}

static struct call meet_fd(const char *call, int fd, int changes) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = base[0] ? readlink(link, path, sizeof path - 1) : -1;
  path[size < 0 ? 0 : size] = 0;
  return meet(call, size < 0 ? NULL : class_of(path, 0), path, changes);
}


#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(name); \
    va_list rest; \
    va_start(rest, flags); \
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, unsigned) : 0; \
    va_end(rest); \
    int making = (flags & O_CREAT) != 0; \
    UNDER(meet_path(making ? "create" : "open", path, making, making || flags & O_TRUNC), real(path, flags, mode)); \
  }
#define OPENAT(name) \
  int name(int at, const char *path, int flags, ...) { \
    REAL(name); \
    va_list rest; \
    va_start(rest, flags); \
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, unsigned) : 0; \
    va_end(rest); \
    int making = (flags & O_CREAT) != 0; \
    UNDER(meet_path(making ? "create" : "open", path, making, making || flags & O_TRUNC), real(at, path, flags, mode)); \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

// Half of a write is done; then the process dies, or the disk is full.
static ssize_t told_half(struct call now, ssize_t result) {
  seen[now.slot].full = 1;
  return ended(now, result);
}

#define ON_FD(result, name, word, changes, parameters, arguments) \
  result name parameters { \
    REAL(name); \
    UNDER(meet_fd(word, fd, changes), real arguments); \
  }
#define READ(name, parameters, arguments, first) \
  ssize_t name parameters { \
    REAL(name); \
    struct call now = meet_fd("read", fd, 0); \
    if (is_refused(now)) return -1; \
    ssize_t result = real arguments; \
    if (now.garble && result > 0) *(char *)(first) ^= 1; \
    return ended(now, result); \
  }
#define WRITE(name, parameters, arguments, halve, first, place) \
  ssize_t name parameters { \
    REAL(name); \
    struct call now = meet_fd("write", fd, 1); \
    if (is_refused(now)) return -1; \
    struct iovec piece = {NULL, 0}; \
    (void)piece; \
    if (now.half) { halve; } \
    ssize_t result = real arguments; \
    char byte = now.garble ? *(const char *)(first) ^ 1 : 0; \
    if (now.garble && result > 0 && syscall(SYS_pwrite64, fd, &byte, 1L, (long)(place)) < 0) return -1; \
    return now.half ? told_half(now, result) : ended(now, result); \
  }
#define HALF_OF_FIRST piece.iov_base = parts->iov_base; piece.iov_len = parts->iov_len / 2; parts = &piece; count = 1
#define HERE lseek(fd, 0, SEEK_CUR) - result

READ(read, (int fd, void *to, size_t size), (fd, to, size), to)
READ(pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at), to)
READ(pread64, (int fd, void *to, size_t size, off_t at), (fd, to, size, at), to)
READ(readv, (int fd, const struct iovec *parts, int count), (fd, parts, count), parts->iov_base)
READ(preadv64, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at), parts->iov_base)
WRITE(write, (int fd, const void *from, size_t size), (fd, from, size), size /= 2, from, HERE)
WRITE(pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), size /= 2, from, at)
WRITE(pwrite64, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), size /= 2, from, at)
WRITE(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), HALF_OF_FIRST, parts->iov_base, HERE)
WRITE(pwritev64, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at), HALF_OF_FIRST, parts->iov_base, at)
ON_FD(int, fsync, "fsync", 1, (int fd), (fd))
ON_FD(int, fdatasync, "fdatasync", 1, (int fd), (fd))
ON_FD(int, syncfs, "syncfs", 1, (int fd), (fd))
ON_FD(int, ftruncate, "truncate", 1, (int fd, off_t size), (fd, size))
ON_FD(int, ftruncate64, "truncate", 1, (int fd, off_t size), (fd, size))
ON_FD(int, fchmod, "chmod", 1, (int fd, mode_t mode), (fd, mode))
ON_FD(int, futimens, "times", 1, (int fd, const struct timespec times[2]), (fd, times))

// An error of close comes after the file was closed.
int close(int fd) {
  REAL(close);
  struct call now = meet_fd("close", fd, 0);
  int result = real(fd);
  return is_refused(now) ? -1 : (int)ended(now, result);
}

int ioctl(int fd, unsigned long request, ...) {
  REAL(ioctl);
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  if (request != FICLONE) return real(fd, request, argument);
  UNDER(meet_fd("reflink", fd, 1), real(fd, request, argument));
}

#define ON_PATH(result, name, word, making, changes, parameters, arguments) \
  result name parameters { \
    REAL(name); \
    UNDER(meet_path(word, path, making, changes), real arguments); \
  }
ON_PATH(int, mkdir, "mkdir", 2, 1, (const char *path, mode_t mode), (path, mode))
ON_PATH(int, rmdir, "rmdir", 2, 1, (const char *path), (path))
ON_PATH(int, unlink, "unlink", 0, 1, (const char *path), (path))
ON_PATH(int, utimensat, "times", 0, 1, (int at, const char *path, const struct timespec times[2], int flags), (at, path, times, flags))

// Two names: what it is about is the new one.
#define TO_PATH(name, word) \
  int name(const char *from, const char *to) { \
    REAL(name); \
    struct call now = meet_path(word, to, 1, 1); \
    if (is_refused(now)) return -1; \
    if (now.swallow) return 0; \
    int result = real(from, to); \
    if (result == 0 && base[0]) publish(to); \
    return (int)ended(now, result); \
  }
TO_PATH(link, "link")
TO_PATH(rename, "rename")

DIR *opendir(const char *path) {
  REAL(opendir);
  return is_refused(meet_path("list", path, 0, 0)) ? NULL : real(path);
}

int scandir64(const char *path, struct dirent64 ***found, int (*filter)(const struct dirent64 *),
              int (*order)(const struct dirent64 **, const struct dirent64 **)) {
  REAL(scandir64);
  UNDER(meet_path("list", path, 0, 0), real(path, found, filter, order));
}

#define LOOK(fd, path, doing) UNDER(*(path) ? meet_path("stat", path, 0, 0) : meet_fd("stat", fd, 0), doing)

int statx(int fd, const char *path, int flags, unsigned mask, struct statx *into) {
  REAL(statx);
  LOOK(fd, path, real(fd, path, flags, mask, into));
}

// Node asks for everything about a file this way, and closes files.
long syscall(long number, ...) {
  REAL(syscall);
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (int at = 0; at < 6; at++) a[at] = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_close && base[0]) return close((int)a[0]);
  if (number != SYS_statx || !base[0]) return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  LOOK((int)a[0], (const char *)a[1], real(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}
