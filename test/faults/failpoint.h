// Which calls are disturbed, and how: what the environment asks for (see shim.c), counted and carried out.
#include "names.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int log_fd = -1, stop_fd = -1, faults;
static struct { char name[64], place[64], fault[24]; long number; } fault[1024];
static int names;
static struct { char name[64]; long count; int full; } seen[512];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void in_child(void) { base[0] = 0; }

__attribute__((constructor)) static void begin(void) {
  const char *text = getenv("FAULT_BASE"), *log = getenv("FAULT_LOG"), *stop = getenv("FAULT_FD");
  char *list = getenv("FAULT_AT") ? strdup(getenv("FAULT_AT")) : NULL, *rest = NULL;
  if (log) log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (stop) stop_fd = atoi(stop);
  for (char *one = list ? strtok_r(list, ";", &rest) : NULL; one && faults < 1024; one = strtok_r(NULL, ";", &rest)) {
    char number[24];
    if (sscanf(one, " %63s %23s %23s", fault[faults].name, number, fault[faults].fault) != 3) continue;
    char *place = strchr(fault[faults].name, '@');
    if (place) snprintf(fault[faults].place, sizeof fault->place, "%s/", place + 1), *place = 0;
    fault[faults++].number = number[0] == '*' ? 0 : atol(number);
  }
  free(list);
  if (text) snprintf(base, sizeof base, "%s", text);
  pthread_atfork(NULL, NULL, in_child);
  unsetenv("LD_PRELOAD");
}

static void leave(int number) {
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
  if (number == SIGKILL) for (;;) pause();
}

// A call that was met: what is to become of it.
struct call { int slot, error, after, swallow, half, garble; const char *fault; };

static const struct { const char *name; int number; } ERRORS[] = {
  {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EACCES", EACCES}, {"EPERM", EPERM}, {"EROFS", EROFS}, {"EMFILE", EMFILE}, {"EINTR", EINTR},
};

static const char *fault_at(const char *name, long number, const char *path, int changes) {
  char inside[4200];
  snprintf(inside, sizeof inside, "%s/", path + strlen(base) + 1);
  for (int at = 0; at < faults; at++)
    if (begins(inside, fault[at].place) && (strcmp(fault[at].name, name) == 0 || (changes && strcmp(fault[at].name, "*") == 0)) &&
        (fault[at].number == 0 || fault[at].number == number))
      return fault[at].fault;
  return NULL;
}

static struct call meet(const char *call, const char *class, const char *path, int changes) {
  struct call now = {-1, 0, 0, 0, 0, 0, NULL};
  if (!class) return now;
  char name[64], line[4400];
  snprintf(name, sizeof name, "%s:%s", call, class);
  pthread_mutex_lock(&mutex);
  int slot = 0;
  while (slot < names && strcmp(seen[slot].name, name) != 0) slot++;
  if (slot == names && names < 511) strcpy(seen[names++].name, name);
  long number = ++seen[slot].count;
  now.slot = slot;
  now.fault = seen[slot].full ? "ENOSPC" : fault_at(name, number, path, changes);
  int told = snprintf(line, sizeof line, "%s%s %ld %s\n", now.fault ? "! " : "", name, number, now.fault ? now.fault : path);
  if (log_fd >= 0) syscall(SYS_write, log_fd, line, (size_t)told);
  if (now.fault && strcmp(now.fault, "stop") == 0) {
    if (stop_fd >= 0) syscall(SYS_write, stop_fd, line, (size_t)told);
    leave(SIGSTOP);
    now.fault = NULL;
  }
  pthread_mutex_unlock(&mutex);
  if (!now.fault) return now;
  if (strcmp(now.fault, "kill") == 0) leave(SIGKILL);
  now.garble = strcmp(now.fault, "garble") == 0;
  now.half = begins(now.fault, "short");
  now.after = strcmp(now.fault, "kill-after") == 0 || strcmp(now.fault, "short-kill") == 0 ? SIGKILL : 0;
  now.swallow = strcmp(now.fault, "swallow") == 0;
  if (strcmp(now.fault, "done-but-EIO") == 0) now.after = EIO << 8;
  for (size_t at = 0; at < sizeof ERRORS / sizeof *ERRORS; at++)
    if (strcmp(now.fault, ERRORS[at].name) == 0) now.error = ERRORS[at].number;
  return now;
}

static int is_refused(struct call now) {
  if (now.error) errno = now.error;
  return now.error;
}

static long ended(struct call now, long result) {
  if (now.after == SIGKILL) leave(SIGKILL);
  if (!now.after || result < 0) return result;
  errno = now.after >> 8;
  return -1;
}
