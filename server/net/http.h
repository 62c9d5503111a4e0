/*
 * http: HTTP/1.1 over TLS (RFC 9112), for whoever registers a path: WebSocket, BOSH, files, and what else speaks HTTP.
 *
 * All connections and handlers live on one reactor of their own, where a file may be read. A request goes through its
 * route's functions in this order: begin (head complete) → body (pieces) → complete; each may answer, at once or later.
 * A client may send several requests without waiting (RFC 9112 §9.3.2): their answers leave in the order of the requests,
 * whatever order they are given in. Nothing is served without TLS.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/conn.h"
#include "net/http_head.h"
#include "net/tls.h"

struct http_request;

struct http_route {
	const char *path;      /* exact; what ends in '/' is for all below it too */
	unsigned methods;      /* 1 << HTTP_GET | …; HEAD comes with GET */
	/* Required. May answer, and may not: then the rest follows. */
	void (*begin)(struct http_request *r);
	/* A piece of the body, valid during the call. NULL: requests with a body are refused (413). */
	void (*body)(struct http_request *r, const char *p, size_t n);
	/* The body has ended (at once when there is none). NULL: begin has answered. */
	void (*complete)(struct http_request *r);
	/* The client has gone before the answer was given; the request goes with it. May be NULL. */
	void (*gone)(struct http_request *r);
	bool keeps_body;       /* in memory, until it is complete: it counts against bodies_bytes */
};

struct http_settings {
	size_t head_bytes, output_bytes;
	uint64_t bodies_bytes;  /* of bodies that are not complete: when there is more, the one that began first is refused */
	unsigned login_ms;      /* TLS handshake */
	unsigned head_ms;       /* from its first byte to its last; and how long a body may make no progress */
	unsigned idle_ms;       /* between requests */
	const char *const *proxies; /* addresses whose X-Forwarded-For is believed */
	size_t nproxies;
	struct tls_set *(*tls)(void); /* certificates in force; a new reference. Any thread */
};

/* On the reactor that serves; the table and the settings stay the caller's and live until http_stop. */
void http_start(const struct http_route *routes, size_t n, const struct http_settings *s);
/* On a reload, by a call there. */
void http_set(const struct http_settings *s);
/* listener_fn, on that reactor. */
void http_accept(int fd, const struct sockaddr *peer, void *unused);
/* No further request is read; what is being answered is finished. Returns how many connections there are. */
unsigned http_quiet(void);
void http_stop(void);

/* The request */

const struct http_head *http_head_of(const struct http_request *r);
/* What begin keeps for the other functions. */
void http_set_data(struct http_request *r, void *data);
void *http_data(const struct http_request *r);
/* The client's address, behind proxies that we trust; and what counts as one source. */
const char *http_address(const struct http_request *r);
const char *http_source(const struct http_request *r);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384" */
const char *http_tls(const struct http_request *r, char out[96]);
struct log *http_log(const struct http_request *r);
/* More body than this is refused (413); from begin. The default is 0: no body. */
void http_body_max(struct http_request *r, uint64_t bytes);
/* Stops the body and lets it go on; from begin on. Meanwhile its time does not run; a client that waits for "100 Continue" gets it when
 * the body may come. */
void http_pause(struct http_request *r);
void http_resume(struct http_request *r);

/* The answer. Once given, no function of the route is called again, and r is gone when the caller returns. */

/* A field of the answer's head, before it. A value that has a control character is left out. Those that are set for every
 * answer (security, caching) are replaced by one of the same name; value NULL takes it out. */
void http_field(struct http_request *r, const char *name, const char *value);
/* All of it. `type` NULL: no body (204, 304). */
void http_reply(struct http_request *r, int status, const char *type, const char *body, size_t n);
/* Its answer is the last on its connection. */
void http_last(struct http_request *r);
/* An error with a line for people. */
void http_refuse(struct http_request *r, int status);
/* The same in these words. */
void http_refuse_with(struct http_request *r, int status, const char *text);
/* `size` bytes of a regular file from where it stands; it is closed in the end, and read piece by piece as the client takes it. */
void http_reply_file(struct http_request *r, int status, const char *type, int fd, uint64_t size);
/* An answer whose length is not known before (RFC 9112 §7.1): begin, any number of pieces, end. All of the request's body has come. `more` is called
 * whenever there is room for further pieces again after there was none; it and `gone` are not called any more after the end. */
void http_reply_begin(struct http_request *r, int status, const char *type, void (*more)(struct http_request *r));
/* How many bytes may follow now. More than that are taken, too, and wait in memory. */
size_t http_reply_room(const struct http_request *r);
void http_reply_piece(struct http_request *r, const char *p, size_t n);
/* `complete` false: the client is not to take what it has for the whole; the connection ends. */
void http_reply_end(struct http_request *r, bool complete);
/* 101 (RFC 9110 §15.2.2): `upgrade` is the protocol. The connection is the caller's, who sets its owner; it does not count
 * as one of the source any more. Only when it is the only request. NULL otherwise, and nothing has happened. */
struct conn *http_upgrade(struct http_request *r, const char *upgrade);

const char *http_status_text(int status);

#endif
