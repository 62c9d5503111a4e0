/*
 * watch: the folder of signatures: has it changed, and is it quiet again? Names and times only; its files are read by a nursery.
 */
#ifndef SCAN_WATCH_H
#define SCAN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct watch {
	const char *path;
	int fd;                    /* inotify; -1: none, it is only looked at now and then */
	uint64_t dev, ino;         /* of the folder that the sandbox lets us read */
	uint64_t mark;             /* of the files as they were taken last */
	int64_t first_ms, last_ms; /* of the events that have not settled; 0: none */
	int64_t look_ms;           /* when it is looked at anyway */
};

/* Before the sandbox, which is bound to this folder. */
void watch_identify(struct watch *w, const char *path);
/* In the sandbox. */
void watch_start(struct watch *w);
/* Is it another folder now, or is there one at last? Then this process cannot read it. */
bool watch_is_another(const struct watch *w);
/* Its descriptor is readable. */
void watch_read(struct watch *w);
/* When watch_is_due should be asked next, by clock_mono_ms. */
int64_t watch_next_ms(const struct watch *w);
/* Have the files changed since watch_take, and settled? */
bool watch_is_due(struct watch *w);
/* What is there now is what counts as taken. */
void watch_take(struct watch *w);

#endif
