/*
 * sql_turn: heavy statements that few people wait for (searches, pages of an export) take turns, so that PostgreSQL, whose processes the system
 * shares processors out to as if each were a program of its own, has one free for what the archive writer wants in between.
 *
 * Whose turn it is asks the disk for a few pages at a time: a commit's fdatasync waits behind all that have been asked for, and a disk that has a few to do is nearly as
 * quick as one that has many (tests/bench/README.md).
 *
 * A turn is an advisory lock of the database: it is given in the order asked for, whichever program or machine asks, and
 * goes with the connection. Who has waited too long goes on without: turns make nothing fail. For sql.c only, which sends it along with the statement.
 */
#ifndef STORE_SQL_TURN_H
#define STORE_SQL_TURN_H

#include <stdbool.h>
#include <stdint.h>

/* Asks for a turn, until the end of the transaction, and for no longer than $1 ms. */
#define SQL_TURN_PARAMS 3
extern const char sql_turn_text[];

/* Of a connection. */
struct sql_turn {
	bool takes;
	int64_t rest_ms;     /* monotonic: it has waited in vain, and does not before then */
	int64_t waited_us;   /* for turns, in all */
	char wait_ms[16], at_once[16], reads[16];
};

/* Fills v when the next statement takes a turn, of a connection whose statements take `deadline_ms` at most. */
bool sql_turn_ask(struct sql_turn *t, int deadline_ms, const char *v[SQL_TURN_PARAMS]);
/* For so long, whatever came of it. */
void sql_turn_waited(struct sql_turn *t, int64_t waited_us);
/* It was not given in time. */
void sql_turn_missed(struct sql_turn *t);

#endif
