/*
 * collect: the parts of long messages that are coming in, until all of one are there or its time is over. No I/O; times are the caller's.
 *
 * Bounded in messages and in octets. What is wrong with a part never costs another message: a number that comes again with other words is
 * a new message under an old reference, and the old one ends as far as it came.
 */
#ifndef GATEWAY_SMS_COLLECT_H
#define GATEWAY_SMS_COLLECT_H

#include "gateway_sms/coding.h"
#include "gateway_sms/number.h"

struct collect;

struct collect_key {
	char from[NUMBER_SIZE], to[NUMBER_SIZE];
	uint32_t reference;
	unsigned total;
};

/* A message of which something is there. */
struct collect_message;

enum collect_result {
	COLLECT_KEPT,     /* it waits for others */
	COLLECT_WHOLE,    /* it was the last that was missing */
	COLLECT_REPEATED, /* it is there already */
	COLLECT_REUSED,   /* not taken: the number is there with other words. End `m`, and add it again */
	COLLECT_HELD,     /* not taken: the message is being delivered */
	COLLECT_FULL,     /* not taken: too much waits */
};

/* `wait_ms`: from the first part that came. */
struct collect *collect_new(unsigned messages, size_t bytes, int64_t wait_ms);
void collect_free(struct collect *c);
/* Adds a part, which came at `at`. `m`: the message that it belongs to, except with COLLECT_FULL. */
enum collect_result collect_add(struct collect *c, const struct collect_key *key, const struct coding_piece *piece, int64_t at, struct collect_message **m);
/* Takes a part out again: it was refused, and will come again. The message goes with its last one. */
void collect_drop(struct collect *c, struct collect_message *m, unsigned number);
/* A message whose time is over; NULL: none. */
struct collect_message *collect_expired(struct collect *c, int64_t now);
/* When the next one's is; INT64_MAX: none waits. */
int64_t collect_due(const struct collect *c);
/* It is being delivered: its time does not end it any more, and nothing is added to it (COLLECT_HELD). False: it can wait again, until `at`. */
void collect_hold(struct collect *c, struct collect_message *m, bool hold, int64_t at);
/* Forgets it, with all its parts. */
void collect_end(struct collect *c, struct collect_message *m);

/* The message of this key; NULL: none. */
struct collect_message *collect_find(struct collect *c, const struct collect_key *key);
const struct collect_key *collect_key(const struct collect_message *m);
bool collect_has(const struct collect_message *m, unsigned number);
unsigned collect_missing(const struct collect_message *m);
/* Its text as UTF-8; "[…]" where parts are missing. */
void collect_text(const struct collect_message *m, struct buf *out);

#endif
