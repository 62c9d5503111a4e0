/*
 * stream: one client connection of the load program: direct TLS, PLAIN, and elements as they come.
 *
 * The owner is told of each child of the stream (on_element) and of its end (on_lost); login, resumption and
 * counting are the owner's (load.c). Not blocking, one thread, one epoll.
 */
#ifndef E2E_STREAM_H
#define E2E_STREAM_H

#include <expat.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What we look at in a child of the stream. Texts that are longer are cut. */
struct element {
	char name[32], id[64], type[16], smid[64];
	uint32_t h;
	char body[96];      /* its beginning */
	char stanza_id[24]; /* XEP-0359, by the server in our name */
	char condition[48]; /* first child of <error/>, of <failure/>, of <stream:error/> or of <failed/> */
	char error_type[16];
};

enum stream_state {
	STREAM_IDLE,      /* no socket */
	STREAM_CONNECTING,
	STREAM_HANDSHAKE,
	STREAM_OPEN,      /* elements may come */
};

struct stream {
	enum stream_state state;
	int fd;
	SSL *ssl;
	XML_Parser parser;
	int depth;
	bool in_body, restart;
	struct element e;
	char *out;
	size_t out_n, out_cap;
	uint32_t events; /* what epoll watches */
	bool broken;     /* to be closed when the callbacks have returned */
	const char *why;
	void *owner;
	const char *domain; /* of its server, at `port` of the host; NULL: the world's */
	int port;
};

struct stream_ops {
	void (*on_open)(struct stream *s); /* TLS stands; a stream header has been sent */
	void (*on_element)(struct stream *s, const struct element *e);
	void (*on_lost)(struct stream *s, const char *why);
};

struct stream_world {
	const char *host, *domain, *ca;
	int port;
};

/* Once. 0 or -1. */
int stream_start(const struct stream_world *w, const struct stream_ops *ops);
void stream_connect(struct stream *s);
void stream_printf(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A new stream begins on the same connection (after SASL). */
void stream_reopen(struct stream *s);
/* Writes what was said outside of a callback. */
void stream_push(struct stream *s);
/* Closed at the end of the turn; on_lost follows. */
void stream_fail(struct stream *s, const char *why);
/* As if the network were gone: no goodbye of any kind. Not in a callback. */
void stream_cut(struct stream *s);
/* Frees what is left; no callback. */
void stream_free(struct stream *s);
/* Events of all streams, for at most `ms`. `in` is one more descriptor to watch; true when it has something. */
bool stream_turn(int in, int ms);

#endif
