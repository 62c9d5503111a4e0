/*
 * submit: hands mails to the mail system (message submission, RFC 6409), by libcurl's multi interface on libuv.
 *
 * TLS with a checked certificate unless the settings say that the relay is on this machine and needs none. A mail that was not taken yet ("later", or the
 * mail system is away) is tried again until retry_seconds are over. One thread.
 */
#ifndef GATEWAY_MAIL_SUBMIT_H
#define GATEWAY_MAIL_SUBMIT_H

#include <uv.h>

#include "base/buf.h"
#include "settings.h"

struct submitter;
struct submission;

enum submit_end {
	SUBMIT_TAKEN,   /* 250 behind the last byte: it is the mail system's now */
	SUBMIT_REFUSED, /* for good: 5xx */
	SUBMIT_GAVE_UP, /* "later", or not reached, for too long */
};

/* `why`: the mail system's last words, or what went wrong; one line of printable ASCII. The submission is gone. Never called within submit. */
typedef void submit_fn(void *arg, enum submit_end end, const char *why);

/* `s` is borrowed until it is freed or changed. */
struct submitter *submitter_new(uv_loop_t *loop, const struct mail_settings *s);
/* Other settings, for what is begun from now on. */
void submitter_change(struct submitter *x, const struct mail_settings *s);
/* Forgets what is under way, without a call; its handles are closed when the loop runs. NULL is fine. */
void submitter_free(struct submitter *x);

/* Takes the content of `mail`, which is empty behind it. */
struct submission *submit(struct submitter *x, const char *from, const char *to, struct buf *mail, submit_fn *fn, void *arg);
/* No call follows; whether it is taken all the same is not known. */
void submission_cancel(struct submission *m);

#endif
