/*
 * err: why something failed, for the caller to show or to act on.
 *
 * Functions that can fail in more than one interesting way take a `struct err *` (never NULL)
 * and fill it once, where the cause is known.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

struct err {
	int code;       /* 0, an errno, or a code of the module that set it */
	char text[320]; /* one line in plain words, no trailing full stop */
};

/* Sets text and code; returns -1 so that `return err_set(e, ...)` reads well. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "fmt: " in front of what is there; returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
