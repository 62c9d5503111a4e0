/*
 * gateway_program: one network's program and what is known of it, over the times that it is started. It is made, changed and freed by the
 * thread of admin/gateway/gateways alone; what others ask is under the program's own lock.
 *
 * Its state: OFF → RUNNING, by gateway_program_follow; → ENDING when it shall end; when it has ended → OFF if it was asked to, else WAITING until it is started
 * again, or REFUSED when it says that its settings are wrong.
 */
#ifndef ADMIN_GATEWAY_PROGRAM_H
#define ADMIN_GATEWAY_PROGRAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "admin/gateway/gateway_process.h"
#include "admin/gateway/gateways.h"
#include "base/list.h"
#include "core/component/component_rules.h"
#include "core/gateway/gateway.h"

enum gateway_state { GATEWAY_OFF, GATEWAY_RUNNING, GATEWAY_ENDING, GATEWAY_WAITING, GATEWAY_REFUSED };

struct gateway_program {
	struct list link;     /* admin/gateway/gateways */
	bool wanted;          /* while that goes through its list */
	char name[COMPONENT_NAME_MAX + 1];
	struct gateway_process process; /* RUNNING, ENDING */
	uint64_t with;        /* what it was started with, hashed (gateway_line_hash) */
	int64_t started_ms, at_ms; /* at_ms: when it is killed (ENDING), or started again (WAITING) */
	int64_t stream_ms;    /* when it had a stream last, or was started */
	int64_t pause_ms;
	atomic_bool hurry;    /* somebody wants it tried again now. Any thread */
	atomic_bool silent;   /* its stream was ended, as it did not answer */

	/* Changed under the lock. */
	pthread_mutex_t lock;
	enum gateway_state state;
	int64_t since_us;
	uint64_t restarts;
	char hung[64];        /* it is being ended for that; "": not */
	char why[320];
};

struct gateway_program *gateway_program_new(const char *name);
/* One without a process. */
void gateway_program_free(struct gateway_program *p);

/* Brings it to what its network shall be. `quiet`: the server stops, nothing is started and nothing hangs. */
void gateway_program_follow(struct gateway_program *p, const struct gateway *g, bool quiet);
bool gateway_program_has_process(const struct gateway_program *p);
/* Of one that runs: it shall end. */
void gateway_program_end(struct gateway_program *p);
/* Its process has ended, asked to or not. */
void gateway_program_ended(struct gateway_program *p, bool quiet);
/* It was asked to end, and has not. */
void gateway_program_kill_late(struct gateway_program *p);

/* Any thread, while `p` lives. */
void gateway_program_silent(struct gateway_program *p);
void gateway_program_show(struct gateway_program *p, struct gateways_state *out);
/* It is started again and again, or not at all. One that somebody else has started may be there all the same: it has a stream. */
bool gateway_program_is_down(struct gateway_program *p);
bool gateway_program_has_stream(const struct gateway *g);

#endif
