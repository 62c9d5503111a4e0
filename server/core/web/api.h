/*
 * api: the HTTP side of the API at /api/v1/: takes a request apart, bounds it, and hands it as an order to server/admin (admin/api.c), which core does
 * not know and which registers itself. The answer comes back in pieces from a thread of its own, while the client takes them.
 *
 * An order has two ends, under its lock: the reactor of the web, which has the request, and the thread that works on it. It goes when both have done.
 */
#ifndef CORE_WEB_API_H
#define CORE_WEB_API_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/http.h"
#include "net/mailbox.h"

#define API_PATH "/api/v1/"

struct api_order {
	struct api_order *next;         /* whoever has taken it */
	/* The request. Does not change. */
	enum http_method method;        /* GET, HEAD or POST */
	char *path;                     /* behind API_PATH */
	char *token;                    /* of the field Authorization; NULL: none */
	char *address, *source;         /* of the client */
	char *range, *if_range;         /* RFC 9110 §14; NULL */
	struct buf body;
	bool lines;                     /* application/x-ndjson is wanted */
	/* The answer: private to core/web/api.c. */
	struct mail mail;
	pthread_mutex_t lock;
	pthread_cond_t room;
	struct http_request *r;         /* NULL: the client has gone */
	struct buf out, fields;
	const char *type;
	int status, file;
	uint64_t file_size;
	bool posted, begun, ended, complete, gone;
	atomic_bool *heard;
};

/* `take` keeps the order and says 0, or says with which status it is refused. NULL: nobody is there any more; who writes to an order then is told that
 * its client has gone. */
void api_set(int (*take)(struct api_order *o));

/* For the thread that works on an order; api_end (or api_whole) is the last. */

/* From here to api_end *gone is set when the client goes, for those who look at it while they wait for something else. */
void api_listen(struct api_order *o, atomic_bool *gone);
/* Before the first byte. `type` is static. */
void api_status(struct api_order *o, int status, const char *type);
/* A field of the head, before the first byte. */
void api_field(struct api_order *o, const char *name, const char *value);
/* Waits while the client does not take what is there already. -1: it has gone, or the server stops. */
int api_write(struct api_order *o, const char *p, size_t n);
/* Takes back what was written, as long as none of it has been sent: then another answer may be given. False: it is too late. */
bool api_again(struct api_order *o);
/* All of the answer's body: `size` bytes of a file from where it stands. Takes the descriptor. */
void api_file(struct api_order *o, int fd, uint64_t size);
/* In the place of api_write and api_end: all of the answer, which goes with its length however long it is. */
void api_whole(struct api_order *o, const char *p, size_t n);
/* `complete` false: what has been sent is not the whole. */
void api_end(struct api_order *o, bool complete);

/* The route's */
#define API_METHODS (1U << HTTP_GET | 1U << HTTP_POST)
void api_begin(struct http_request *r);
void api_body(struct http_request *r, const char *p, size_t n);
void api_complete(struct http_request *r);
void api_gone(struct http_request *r);

#endif
