/*
 * spool: a file on its way, unnamed on disk; limits.files_bytes of them in all. On the loop's thread, but for spool_add, which whoever fills it calls.
 */
#ifndef GATEWAY_SPOOL_H
#define GATEWAY_SPOOL_H

#include <stddef.h>
#include <stdint.h>

struct gateway;

struct spool {
	struct gateway *g;
	int fd;
	uint64_t size, room;
	void *map; /* spool_map; NULL: not yet */
};

/* Room for so many bytes. NULL: there is none now. */
struct spool *spool_new(struct gateway *g, uint64_t room);
/* -1: more than there is room for, or the disk is full. */
int spool_add(struct spool *s, const void *p, size_t n);
/* It is whole: what it did not need is room for others. */
void spool_close(struct spool *s);
/* All of it, to be read until it is freed; NULL: not now. */
const void *spool_map(struct spool *s);
/* NULL is fine. */
void spool_free(struct spool *s);

#endif
