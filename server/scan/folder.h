/*
 * folder: temporary folders: emptied, measured and removed without following links, and without recursion: whoever made what is in
 * them may have meant it as a trap.
 */
#ifndef SCAN_FOLDER_H
#define SCAN_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

/* Makes `name` in the folder `at`, which must not be there yet, and opens it. -1 with errno. */
int folder_new(int at, const char *name);
/* Removes all that is in it. 0 or -1: something is left. */
int folder_empty(int fd);
/* Empties `name` in `at` and removes it. 0 or -1. */
int folder_remove(int at, const char *name);
/* Bytes of what is in it, as files say; counting stops above `enough`. Folders in folders, deeper than anybody here makes them, are more
 * than enough. Files without a name are not seen. */
uint64_t folder_bytes(int fd, uint64_t enough);
/* Does the disc that it is on run full? */
bool folder_is_short(int fd);

#endif
