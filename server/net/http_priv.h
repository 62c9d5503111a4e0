/* http_priv: what http (connections, requests) and http_reply (answers) share. */
#ifndef NET_HTTP_PRIV_H
#define NET_HTTP_PRIV_H

#include "base/buf.h"
#include "base/list.h"
#include "net/http.h"

enum http_state {
	HTTP_HANDSHAKE,
	HTTP_READ_HEAD,
	HTTP_READ_BODY,
	HTTP_CLOSING, /* nothing more is read; answers are outstanding */
	HTTP_SHUT,    /* … and all have been given */
};

#define HTTP_BYTES_PER_MS 1 /* what comes, or is taken, more slowly, after a first grace, is given up */

struct http_conn {
	struct list link;
	struct conn *conn;
	struct list requests;         /* the oldest first */
	struct http_request *reading; /* whose body is being read */
	struct buf in;                /* a head, as far as it has come */
	struct timer timer;
	int64_t body_since_ms;
	struct timer pace;            /* set while a file is given: is it taken fast enough? */
	int64_t pace_left_ms;
	uint64_t paced;               /* conn_flushed, when that was asked last */
	enum http_state state;
	unsigned nrequests;
	uint8_t blank;
	bool counted, known, proxy, waiting, dropping, closed;
};

struct http_request {
	struct list link;
	struct list keeps;    /* here.keeping, while `kept` */
	struct http_conn *c;
	const struct http_route *route; /* NULL: its head was refused */
	void *data;
	char *text;           /* the head */
	size_t text_len;
	struct http_head head;
	struct http_chunks chunks;
	uint64_t received, body_max;
	uint64_t kept;        /* of its body, by its route */
	int64_t paused_ms;
	char *address;        /* behind a proxy: as text, NUL, source; NULL */
	struct buf out;       /* while it is not the oldest */
	struct buf fields;    /* name NUL value NUL … */
	void (*more)(struct http_request *r); /* of an answer that comes in pieces; NULL: it does not */
	int file;             /* -1: none */
	uint64_t file_left;
	bool paused, waits, body_done, begun, answered, keep, gone;
};

struct http_here {
	struct list all;
	struct list keeping;  /* requests whose bodies are kept, the oldest first */
	uint64_t kept;        /* of all of them */
	unsigned n;
	const struct http_route *routes;
	size_t nroutes;
	const struct http_settings *settings;
	bool quiet;
};

const struct http_settings *http_settings(void);
bool http_is_quiet(void);
void http_request_end(struct http_request *r);
/* Its body is complete, or nobody wants it any more. */
void http_forget_body(struct http_request *r);
/* The connection is somebody else's from here on. */
void http_conn_release(struct http_conn *c, struct http_request *r);
void http_shut(struct http_conn *c);
/* At once, with its requests. */
void http_drop(struct http_conn *c);
void http_go_on(struct http_conn *c);
/* The oldest request's body, which is being read, unless it is paused. */
void http_body_may_come(struct http_conn *c, struct http_request *r);
/* The connection has taken something: an answer in pieces may go on. */
void http_ask_more(struct http_conn *c);
/* Goes on with what the oldest request has to say. */
void http_pump(struct http_conn *c);

#endif
