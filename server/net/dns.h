/*
 * dns: names are asked through libunbound, which validates DNSSEC in this process. It works on a thread of its own (a side
 * reactor); answers come back to the reactor that asked.
 *
 * Bounded: so many questions at a time, so long each; answers are cut at DNS_RECORDS.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "net/reactor.h"

#define DNS_RECORDS 128 /* of one answer that are kept; the others, which may be any, as they come in no order */

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_SRV = 33, DNS_TLSA = 52 };

enum dns_status {
	DNS_FOUND,
	DNS_NONE,    /* there is no such name, or it has no such record: a proper answer */
	DNS_BOGUS,   /* DNSSEC says that the answer is a lie */
	DNS_FAILED,  /* no answer in time, or the servers could not say */
};

struct dns_record {
	const unsigned char *data; /* as on the wire; names in it are not compressed */
	size_t len;
};

/* A question. The asker owns it until `done` has been called, once, at home; it cannot be taken back. */
struct dns_question {
	struct mail mail;
	const char *name;        /* in A-labels; in `arena` */
	enum dns_type type;
	void (*done)(struct dns_question *q);
	struct arena *arena;     /* the answer is put there: nobody else touches it meanwhile */
	/* Out */
	enum dns_status status;
	bool secure;             /* validated from a trust anchor down (RFC 4035 §4.3); also of DNS_NONE */
	struct dns_record *record;
	size_t n;
	uint32_t ttl;            /* seconds */
	char why[160];           /* BOGUS, FAILED: in words */
	/* dns's own */
	struct reactor *home;
	void *job;
};

struct dns_settings {
	const char *servers;     /* "127.0.0.1@5353 ::1": who is asked, space-separated; empty: those of /etc/resolv.conf */
	const char *anchors;     /* a file of trust anchors (DS or DNSKEY records); empty: nothing is secure */
	unsigned timeout_ms;     /* of a question */
	unsigned waiting;        /* questions at a time; more end as DNS_FAILED */
};

/* From main, before or while the reactors run. /etc/hosts is not read; nothing of the local network's names is made up. */
int dns_start(const struct dns_settings *s, struct err *e) MUST_CHECK;
/* What is under way ends as DNS_FAILED, at its home: so before the reactors are stopped. */
void dns_stop(void);
/* The bound changes, on a reload. Any thread. */
void dns_set_waiting(unsigned waiting);
/* From a reactor. Without dns_start the answer is DNS_FAILED. */
void dns_ask(struct dns_question *q);
/* "found", "none", "bogus", "failed": for logs. */
const char *dns_status_name(enum dns_status s);

#endif
