/*
 * log_sink: a file that checkpoints and hand-overs of keys are appended to, outside the database: signed notes, one behind the other,
 * each durable before the next. What was not written goes there later: the file itself tells where to go on. The keeper's.
 */
#ifndef ARCHIVE_LOG_SINK_H
#define ARCHIVE_LOG_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/log/log.h"

struct log_sink {
	int fd;         /* -1: not open */
	uint64_t size;  /* of the last checkpoint in it; 0: none */
	uint8_t root[MERKLE_HASH]; /* of that */
	unsigned handovers; /* in it */
	bool torn;      /* it ends within a note */
};

#define LOG_SINK_CLOSED { .fd = -1 }

/* Opens it, or makes it, and looks what is in it. `origin`: whose notes they have to be; NULL: whosever. */
int log_sink_open(struct log_sink *s, const char *file, const char *origin, struct err *e) MUST_CHECK;
void log_sink_close(struct log_sink *s);
/* Is it still what is found under this name? What is appended to another is read by nobody. */
bool log_sink_is_there(const struct log_sink *s, const char *file);
int log_sink_append(struct log_sink *s, const char *note, struct err *e) MUST_CHECK;

/* Reads a file of notes, of which some may be torn: `fn` is called with each whole one (text, length). False from it ends the reading. */
typedef bool (*log_sink_note_fn)(void *arg, const char *note, size_t n);
int log_sink_read(const char *file, log_sink_note_fn fn, void *arg, bool *torn, struct err *e) MUST_CHECK;

#endif
