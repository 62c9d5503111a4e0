/*
 * fetch: a file on another server, by HTTPS, into a spool (files.links: fetch). People choose the address: so this goes nowhere but where anybody on
 * the internet could go.
 *
 * Only https, without user names, at files.fetch_ports. Names are asked by net/dns, and only addresses of the public internet are connected to, or
 * those in files.fetch_private: looked at when they are found, and once more when the socket is made (a name cannot become another address in
 * between). Where a redirection leads all of this holds anew, limits.fetch_redirects times. Certificates are checked. No proxies, cookies, passwords.
 * What comes is bounded by limits.file_bytes, is in a spool and never in memory, and is not unpacked.
 *
 * A thread of its own ("fetch") with libcurl on its loop. limits.fetches at a time, limits.fetches_per_sender of them for one sender; more wait, up
 * to their deadline.
 */
#ifndef CORE_FETCH_H
#define CORE_FETCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "core/config/config.h"
#include "core/file/spool.h"
#include "net/reactor.h"

enum fetch_outcome {
	FETCH_DONE,
	FETCH_REFUSED, /* nobody may have this fetched: the address, the size */
	FETCH_FAILED,  /* its server does not give it */
	FETCH_LATER,   /* not in time, or no room for it: perhaps another time */
};

struct fetch {
	struct mail mail;       /* mail.run is called at home when it has ended, exactly once */
	struct reactor *home;
	void *owner;            /* the caller's */
	struct arena *arena;    /* the caller's; what is out is in it. Not touched by the caller until the mail */
	/* In; lives until the mail */
	const char *url;
	const char *sender;     /* who counts as one */
	int64_t deadline_ms;    /* monotonic */
	uint64_t most;          /* bytes, of several that are fetched together; 0: limits.file_bytes, which is the most in any case */
	/* Out */
	enum fetch_outcome outcome;
	const char *why;        /* what is said to people: the end of a sentence, without a stop; "" for FETCH_DONE. It does not tell a private
	                           address from one where nothing answers */
	bool too_large;         /* FETCH_REFUSED because of `most` */
	struct spool *spool;    /* the caller's, to be freed; NULL unless FETCH_DONE */
	const char *name;       /* out of the address, as UTF-8; NULL: none */
	const char *type;       /* as its server says; NULL: nothing that would say something */
	/* Its own */
	void (*run)(struct mail *m);
};

/* Can files.fetch_ca_file be read? 0 or -1. Any thread. */
int fetch_check(const struct config *c, struct err *e) MUST_CHECK;
/* Before the reactors' doors open. 0 or -1. */
int fetch_start(void);
/* What is under way ends as FETCH_LATER, what is submitted from now on too. */
void fetch_quiet(void);
/* Ends the thread: after fetch_quiet and dns_stop. */
void fetch_stop(void);
/* From a reactor. */
void fetch_submit(struct fetch *f);

#endif
