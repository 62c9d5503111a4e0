/* bosh_priv: what bosh (the route, creation, requests) and bosh_session (answers, the stream, turns, the end) share. */
#ifndef CORE_BOSH_PRIV_H
#define CORE_BOSH_PRIV_H

#include "base/list.h"
#include "base/map.h"
#include "core/web/bosh.h"
#include "core/web/bosh_body.h"
#include "core/web/web_priv.h"
#include "net/ws.h"

#define TYPE_XML "text/xml; charset=utf-8"
#define SID_BYTES 16
#define REQUESTS_MAX 3  /* hold + 1, and one to pause or terminate */
#define PENDING_MAX 65536 /* from the stream, for the next answer */
#define REPEATS_MAX 10  /* of requests that are held */
#define LANG_MAX 64
#define KEY_MAX 128

struct bosh;

/* A request that has not been answered. */
struct held {
	struct list link;
	struct bosh *b;
	struct http_request *r;
	struct bosh_post post; /* until its turn has come */
	uint64_t rid;
	int64_t due_ms;
	bool taken;            /* its turn has come */
};

struct sent {
	uint64_t rid;
	struct buf text;
};

struct bosh {
	UT_hash_handle hh;
	char sid[2 * SID_BYTES + 1];
	struct list all;
	struct conn *pipe;      /* NULL: the stream is over */
	struct ws ws;
	struct list requests;   /* struct held, by rid */
	struct buf pending;     /* elements for the client */
	struct sent sent[REQUESTS_MAX];
	unsigned nsent, repeats;
	uint64_t next;          /* the rid whose turn comes */
	uint64_t hold, wait_ms, pause_ms;
	struct timer timer;     /* the oldest request's time, or inactivity */
	struct deferred turn;
	char *first;            /* attributes of the first answer; NULL once given */
	char *to, *lang, *key;
	const char *condition;  /* why the session ends; "" when it just does */
	int64_t polled_ms;      /* the last empty request of a session that polls; 0: none without an answer of substance */
	bool known;             /* somebody has logged in */
	bool polling, paused, over, forgotten;
};

/* What comes in the body of one request. */
struct posted {
	struct buf text;
	struct held *held;
};

struct bosh_table {
	struct bosh *by_sid;
	struct list all, ending; /* ending: without a sid, until their pipes are closed */
};

/* Of the thread that serves. */
struct bosh_table *bosh_table(void);

/* Answers */

void bosh_reply(struct http_request *r, const struct buf *text);
/* To a request that belongs to no session. */
void bosh_refuse(struct http_request *r, const char *condition);
void bosh_free_posted(struct http_request *r);
void bosh_free_held(struct held *h);
/* Keeps an answer for a client that asks again. Takes the text. */
void bosh_keep_sent(struct bosh *b, uint64_t rid, struct buf *text);
/* The oldest request that is held; NULL. */
struct held *bosh_oldest(const struct bosh *b);

/* The stream */

extern const struct conn_ops bosh_pipe_ops;
/* Is it so far behind that no request is taken on? */
bool bosh_is_behind(const struct bosh *b);
void bosh_send_open(struct bosh *b, const char *from, const char *version);
const char *bosh_version_of(const struct bosh_post *p);

/* Turns */

/* At the end of a turn: answers, the end, the timer. */
void bosh_settle(struct deferred *d);
/* The client has broken the rules: its stream is cut, its session may be resumed (XEP-0198). */
void bosh_violate(struct bosh *b, const char *condition);
void bosh_drop(struct bosh *b);
/* As much of it as we keep; NULL when there is none. */
char *bosh_copy(const char *text, size_t most);

#endif
