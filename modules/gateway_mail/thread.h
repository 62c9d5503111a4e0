/*
 * thread: what a mail is an answer to. Mails between a user and somebody outside are one thread: each has an id that is made from the message it was,
 * names the one before it, and has its subject. It is kept as a line of JSON (gateway_data). Pure.
 */
#ifndef GATEWAY_MAIL_THREAD_H
#define GATEWAY_MAIL_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

#define THREAD_REFERENCES 10
#define THREAD_ID_MAX 250    /* bytes of an id; one that is longer, or not ASCII, is not referred to */
#define THREAD_SUBJECT_MAX 200

struct thread {
	char ids[THREAD_REFERENCES][THREAD_ID_MAX + 1]; /* without brackets; the oldest first: the mail that began it, then the last ones */
	size_t n;
	char subject[THREAD_SUBJECT_MAX + 1];           /* without "Re:"; "": none yet */
};

/* Of what was kept; NULL, or what cannot be understood, is an empty one. */
void thread_read(struct thread *t, const char *json);
/* Adds the JSON. */
void thread_write(const struct thread *t, struct buf *out);
/* A mail of that thread was sent, or came. One that is in it is not added again. */
void thread_add(struct thread *t, const char *id);
/* Somebody has given it a subject: without "Re:", "AW:" and the like in front. True when it is another than before. */
bool thread_set_subject(struct thread *t, const char *subject);
/* Is that its subject, but for "Re:" and the like? */
bool thread_has_subject(const struct thread *t, const char *subject);
/* Begins a new one. */
void thread_clear(struct thread *t);

/* The Message-ID of a message of a user, without brackets: of its id, a MAC that says whose it is, and one by which we know it again. The same message gives the same one. */
const char *thread_id(struct arena *a, const uint8_t *key, const char *domain, const char *user, const char *to, const char *id, const char *body);
/* Is it one of ours, of any user? */
bool thread_is_ours(struct arena *a, const uint8_t *key, const char *domain, const char *id);
/* Is it one of ours, of this user? Whoever got a mail of one of us knows an id of ours. */
bool thread_is_of(struct arena *a, const uint8_t *key, const char *domain, const char *user, const char *id);

#endif
