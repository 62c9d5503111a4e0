/*
 * arena: memory that is freed together.
 *
 * An arena belongs to one owner (a connection, a session, a stanza, a job) and is used by one
 * thread at a time. Allocation never fails: out of memory logs and exits. What a peer sizes is
 * checked against base/limits.h before it is allocated.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena;

/* A new arena whose first block holds `first` bytes (0: a small default). */
struct arena *arena_new(size_t first);
/* Runs the clean-ups, newest first, and frees everything. NULL is fine. */
void arena_free(struct arena *a);
/* As arena_free, but the arena stays, keeping its first block. */
void arena_reset(struct arena *a);

/* `n` bytes aligned for any type; not cleared. */
void *arena_alloc(struct arena *a, size_t n);
/* The same, cleared. */
void *arena_zalloc(struct arena *a, size_t n);
char *arena_strdup(struct arena *a, const char *s);
/* Copies `n` bytes and adds a NUL. */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Calls fn(arg) when the arena is freed or reset. */
void arena_on_free(struct arena *a, void (*fn)(void *), void *arg);
/* Bytes held from the system, for limits and metrics. */
size_t arena_bytes(const struct arena *a);
/* Of these, what is in use: so large a first block would have been enough. */
size_t arena_used(const struct arena *a);

#endif
