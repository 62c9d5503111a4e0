/*
 * fetch_get: one HTTPS request to one address, by libcurl on the loop of the current reactor. For core/file/fetch.c only, on its thread. What
 * an answer may be is decided here; where to ask, and how often, there.
 */
#ifndef CORE_FETCH_GET_H
#define CORE_FETCH_GET_H

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/file/fetch_url.h"
#include "core/file/spool.h"

enum fetch_end {
	GET_DONE,        /* `spool`, of one byte at least, and `type` */
	GET_LED_ON,      /* to `location`, as it was said: seen from the address that was asked */
	GET_UNREACHED,   /* nobody answers at this address: another of the name's may */
	GET_CERTIFICATE, /* not valid, or another's */
	GET_STATUS,      /* `status` is none that brings a file */
	GET_EMPTY,
	GET_LARGE,       /* more than `max` */
	GET_ENCODED,     /* Content-Encoding */
	GET_NO_ROOM,     /* here */
	GET_BROKEN,      /* not all of it, not HTTP, too slow, … */
};

struct fetch_get {
	/* In; they outlive it */
	const struct fetch_url *url;
	struct sockaddr_storage to; /* who is asked, whatever the name says now */
	const char *ca_file;        /* authorities beside the system's; "" */
	uint64_t max;
	void (*done)(struct fetch_get *t);
	/* Out */
	enum fetch_end end;
	long status;
	struct spool *spool;        /* the caller's in the end, if it is there */
	const char *location, *type;      /* as in HTTP; of the request, until fetch_get_clear */
	char why[CURL_ERROR_SIZE + 64]; /* for the log */
	/* Its own */
	CURL *easy;
	struct curl_slist *connect_to;
	uint64_t room;              /* of the spool */
	SSL_CTX *tls;               /* ours as long as this lasts */
	uint64_t head;              /* bytes so far */
	bool said_end;              /* by TLS */
	bool stopped;               /* by us: `end` says why */
};

struct fetch_engine;

/* Around everything else; on the thread. */
struct fetch_engine *fetch_engine_new(void);
/* All requests have been cleared. */
void fetch_engine_free(struct fetch_engine *x);
/* done(t) follows, never within this call. `t` is zero but for what goes in. */
void fetch_get_begin(struct fetch_engine *x, struct fetch_get *t);
/* After done, or in its stead. The spool stays the caller's. */
void fetch_get_clear(struct fetch_engine *x, struct fetch_get *t);

/* Is this an address that may be asked: of the public internet, or in files.fetch_private? */
bool fetch_may_reach(const struct sockaddr *sa);

#endif
