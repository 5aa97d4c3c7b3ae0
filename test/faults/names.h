// What a file call is about, by its path: the second half of a failpoint's name, as in `link:final`.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char base[4096];

// Names that this process has published: what it reads there later is `final`, what was there before is `source`.
#define PUBLISHED 4096
static unsigned long published[PUBLISHED];

static unsigned long hash_of(const char *path) {
  unsigned long hash = 5381;
  for (; *path; path++) hash = hash * 33 + (unsigned char)*path;
  return hash ? hash : 1;
}

static void publish(const char *path) {
  for (unsigned long hash = hash_of(path), at = hash % PUBLISHED, n = 0; n < PUBLISHED; n++, at = (at + 1) % PUBLISHED)
    if (published[at] == 0 || published[at] == hash) {
      published[at] = hash;
      return;
    }
}

static int is_published(const char *path) {
  for (unsigned long hash = hash_of(path), at = hash % PUBLISHED, n = 0; n < PUBLISHED && published[at]; n++, at = (at + 1) % PUBLISHED)
    if (published[at] == hash) return 1;
  return 0;
}

static int begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static int ends(const char *text, const char *with) {
  size_t length = strlen(text), tail = strlen(with);
  return length >= tail && strcmp(text + length - tail, with) == 0;
}

static const char *class_in_state(const char *rest) {
  if (*rest == 0) return "state";
  if (begins(rest, "lock.draft")) return "draft";
  if (begins(rest, "lock.takeover")) return "takeover";
  if (begins(rest, "lock")) return "lock";
  if (strcmp(rest, "journal") == 0) return "journals";
  if (begins(rest, "journal/")) return "journal";
  if (begins(rest, "catalog")) return "catalog";
  return "state";
}

static const char *class_in_location(const char *path, const char *rest, int making) {
  if (*rest == 0) return "root";
  if (begins(rest, ".stowage-location")) return "marker";
  if (strcmp(rest, ".stowage-tmp") == 0) return "temporaries";
  if (ends(rest, ".removing")) return "removing";
  if (begins(rest, ".stowage-tmp/")) return ends(rest, ".claim") ? "claim" : "temp";
  struct stat found;
  int there = fstatat(AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW) == 0;
  int folder = there && S_ISDIR(found.st_mode);
  if (begins(rest, ".stowage-trash")) return folder || making == 2 ? "trash-folder" : "trash";
  if (begins(rest, ".stowage-")) return "own";
  if (folder || making == 2) return "folder";
  if (making || is_published(path)) return "final";
  return there ? "source" : "nothing";
}

// The class of a path below the base; NULL for one elsewhere. `making`: 1 for a file that is to get this name, 2 for a directory.
static const char *class_of(const char *path, int making) {
  size_t length = strlen(base);
  if (length == 0 || strncmp(path, base, length) != 0 || path[length] != '/') return NULL;
  const char *first = path + length + 1, *rest = strchr(first, '/');
  if (ends(path, "/.")) return "root";
  rest = rest ? rest + 1 : first + strlen(first);
  if (begins(first, "state") || begins(first, ".stowage")) return class_in_state(rest);
  if (begins(first, "storage.yaml")) return "config";
  return class_in_location(path, rest, making);
}
