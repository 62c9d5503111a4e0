/*
 * held: what modules keep back from a session's stream for a while (HOOK_SESSION_SEND, module_session_watch).
 *
 * Held stanzas are not sent yet: stream management neither counts nor keeps them. They are written in the order in which
 * they came; what the recipient's delivery mark waits for is never held. When the session ends they are forgotten, but
 * for questions, whose senders are told.
 */
#ifndef CORE_HELD_H
#define CORE_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet;
struct session;

struct held {
	struct packet **packet; /* NULL when none */
	uint32_t n, cap;
	size_t bytes;
	bool watched;
};

/* `p` is about to be sent to `s`, which is watched. True: it is held. */
bool held_take(struct session *s, struct packet *p);
/* Writes what is held, in order. */
void held_release(struct session *s);
/* The session ends; `left` gets each of them, oldest first. */
void held_fini(struct session *s, void (*left)(struct session *s, struct packet *p));

#endif
