/*
 * arena: memory that is freed together.
 *
 * The arena and its first block are one allocation, so that what fits there costs one malloc.
 * Later blocks double up to BLOCK_MAX; something large gets a block of its own and leaves the
 * rest of the current one in use. Under AddressSanitizer the unused bytes are poisoned and a gap
 * is left behind each piece, so that an overflow inside an arena is found as in any heap.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#define GAP 16
#else
#define GAP 0
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN 16
#define FIRST_DEFAULT 1024
#define BLOCK_MAX ((size_t)64 * 1024)

struct block {
	struct block *next;
	size_t size; /* of data */
	size_t used;
	_Alignas(ALIGN) char data[];
};

struct cleanup {
	struct cleanup *next;
	void (*fn)(void *);
	void *arg;
};

struct arena {
	struct block *current;    /* where the next small piece goes; newest first */
	struct cleanup *cleanups; /* newest first */
	size_t bytes;
	size_t next_size;
	struct block first; /* the last of the chain; its data follows */
};

static size_t
round_up(size_t n)
{
	if (n > SIZE_MAX - ALIGN)
		mem_exhausted(n);
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

struct arena *
arena_new(size_t first)
{
	size_t size = round_up(first ? first : FIRST_DEFAULT);
	size_t total;
	struct arena *a;

	if (!limits_add(sizeof(*a), size, &total))
		mem_exhausted(size);
	a = mem_alloc(total);
	a->current = &a->first;
	a->cleanups = NULL;
	a->bytes = total;
	a->next_size = size < BLOCK_MAX / 2 ? size * 2 : BLOCK_MAX;
	a->first.next = NULL;
	a->first.size = size;
	a->first.used = 0;
	ASAN_POISON_MEMORY_REGION(a->first.data, size);
	return a;
}

void
arena_reset(struct arena *a)
{
	struct block *b;
	struct cleanup *c;

	/* One at a time: a clean-up may still allocate here, or even add another. */
	while ((c = a->cleanups)) {
		a->cleanups = c->next;
		c->fn(c->arg);
	}
	while ((b = a->current) != &a->first) {
		a->current = b->next;
		a->bytes -= sizeof(*b) + b->size;
		ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
		free(b);
	}
	a->first.used = 0;
	ASAN_POISON_MEMORY_REGION(a->first.data, a->first.size);
	a->next_size = a->first.size < BLOCK_MAX / 2 ? a->first.size * 2 : BLOCK_MAX;
}

void
arena_free(struct arena *a)
{
	if (!a)
		return;
	arena_reset(a);
	ASAN_UNPOISON_MEMORY_REGION(a->first.data, a->first.size);
	free(a);
}

static struct block *
block_new(struct arena *a, size_t size)
{
	struct block *b;
	size_t total;

	if (!limits_add(sizeof(*b), size, &total))
		mem_exhausted(size);
	b = mem_alloc(total);
	b->size = size;
	b->used = 0;
	a->bytes += total;
	ASAN_POISON_MEMORY_REGION(b->data, size);
	return b;
}

/* A block with room for `n`: either the new current one, or one of its own behind it. */
static struct block *
arena_grow(struct arena *a, size_t n)
{
	struct block *b;

	if (n > a->next_size / 2 && a->current != &a->first) {
		b = block_new(a, n);
		b->next = a->current->next;
		a->current->next = b;
		return b;
	}
	b = block_new(a, n > a->next_size ? n : a->next_size);
	b->next = a->current;
	a->current = b;
	if (a->next_size < BLOCK_MAX)
		a->next_size *= 2;
	return b;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	size_t need = round_up(n) + GAP;
	struct block *b = a->current;
	char *p;

	if (need < n)
		mem_exhausted(n);
	if (need > b->size - b->used)
		b = arena_grow(a, need);
	p = b->data + b->used;
	b->used += need;
	ASAN_UNPOISON_MEMORY_REGION(p, n);
	return p;
}

void *
arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p;

	if (n == SIZE_MAX)
		mem_exhausted(n);
	p = arena_alloc(a, n + 1);
	if (n)
		memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	char small[256];
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0)
		mem_exhausted(sizeof(small));
	if ((size_t)n < sizeof(small))
		return arena_strndup(a, small, (size_t)n);
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void
arena_on_free(struct arena *a, void (*fn)(void *), void *arg)
{
	struct cleanup *c = arena_alloc(a, sizeof(*c));

	c->fn = fn;
	c->arg = arg;
	c->next = a->cleanups;
	a->cleanups = c;
}

size_t
arena_used(const struct arena *a)
{
	size_t n = 0;

	for (const struct block *b = a->current; b; b = b->next)
		n += b->used;
	return n;
}

size_t
arena_bytes(const struct arena *a)
{
	return a->bytes;
}
