/*
 * log: events with fields.
 *
 *     log_info(&s->log, "bound", "resource=%s priority=%d", resource, priority);
 *
 * The format is a list of `key=%spec` separated by single spaces; each value is formatted on its
 * own and quoted or escaped when it has spaces, quotes, control or non-UTF-8 bytes, so that what
 * a peer sent can never start a new line or a new field. Supported: %s %.*s %d %u %ld %lu %lld
 * %llu %zu %c %x %f %.Nf and PRIu64/PRId64. NULL strings print as -.
 *
 * One line an event on stderr: `2026-01-31T12:00:00.123Z info bound jid=… resource=…`, with
 * syslog priority prefixes (<6>) when the journal reads us, or one JSON object when so set.
 * Thread-safe; a line is one write(2). Bodies, passwords and tokens are never logged.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* What an object adds to each of its events. Zero-initialised adds nothing. */
struct log {
	const char *key;          /* "conn", "jid"…; static text */
	const char *value;        /* borrowed; NULL: nothing to add */
	const struct log *parent; /* its fields come first */
};

/* Once at start, and again on reload. */
void log_setup(enum log_level level, enum log_format format);
/* Where lines go; default stderr (2). For tests. */
void log_set_fd(int fd);
/* Somebody else who is told of events, whatever the level is: `wants` by level and name, then `take` with all of it as one JSON object, as LOG_JSON has it.
 * Both on whatever thread logs: they must not wait, and not log. NULL: nobody. What is taken while this changes may still arrive. */
typedef bool (*log_wants_fn)(enum log_level level, const char *event);
typedef void (*log_take_fn)(enum log_level level, const char *event, const char *json);
void log_set_tap(log_wants_fn wants, log_take_fn take);
/* -1 when unknown. */
int log_level_parse(const char *s);
bool log_wants(enum log_level level);
void log_event(enum log_level level, const struct log *log, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* `log` may be NULL. log_debug's arguments are evaluated only when the level asks for them. */
#define log_error(log, ...) log_event(LOG_ERROR, log, __VA_ARGS__)
#define log_warning(log, ...) log_event(LOG_WARNING, log, __VA_ARGS__)
#define log_info(log, ...) log_event(LOG_INFO, log, __VA_ARGS__)
#define log_debug(log, ...) \
	do { \
		if (log_wants(LOG_DEBUG)) \
			log_event(LOG_DEBUG, log, __VA_ARGS__); \
	} while (0)

#endif
