/*
 * client: many sessions of ordinary clients in one thread. Each is a real login: TCP, STARTTLS with a full
 * handshake and a checked certificate, SCRAM-SHA-256, bind, presence. Whatever a server should not do ends
 * the program: a figure for work not done is worth nothing.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "scram.h"
#include "stream.h"

#define SECOND 1000000000u

enum step {
	FREE,
	CONNECT,
	FEATURES,
	PROCEED,
	HANDSHAKE,
	MECHANISMS,
	CHALLENGE,
	SUCCESS,
	BINDING,
	BOUND,
	PRESENT,
	UP,
	ENDING
};

struct bytes {
	char *p;
	size_t len, cap;
};

struct session {
	int fd, index;
	enum step step;
	SSL *ssl;
	bool queued, wants_out;
	uint64_t began;
	struct bytes in, out;
	struct scram scram;
	char jid[160];
	uint64_t next_out, next_in; /* numbers of the messages to send and to expect */
};

/* What main has set, how far we are, and who is told. */
extern struct load {
	const char *domain, *ca, *prefix, *password; /* accounts are PREFIX0, PREFIX1, ... */
	const char *peer_domain; /* where the odd ones live, at peer_port; NULL: all live at the same server */
	int port, peer_port, sessions, concurrency;
	struct session *session; /* load.sessions of them */
	int up, busy;            /* logged in; on their way in or out */
	void (*on_turn)(uint64_t now);
	uint64_t wake; /* when on_turn wants to run at the latest; 0: no wish */
	void (*on_up)(struct session *s);
	void (*on_message)(struct session *s, struct item it);
} load;

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);
void *grow(void *p, size_t n);

/* Where a session's account is. */
const char *domain_of(const struct session *s);

/* Before the first session, and after the last. */
void client_start(void);
void client_stop(void);

void session_open(struct session *s);
/* Says good-bye; closed when the server has, too. */
void session_end(struct session *s);
/* Vanishes. */
void session_close(struct session *s);

/* Written at the end of the turn: what a turn has for one session goes out together. */
__attribute__((format(printf, 2, 3))) void say(struct session *s, const char *fmt, ...);

/* Works until done() says so, or until `seconds` are over (false then). */
bool pump(double seconds, bool (*done)(void));

#endif
