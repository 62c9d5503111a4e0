/*
 * transfer: one file by HTTPS, from our upload service or into it, or from where a stranger says that it is.
 *
 * A stranger chooses where a gateway goes: so a foreign file comes by https from an address of the public internet only (or settings.fetch_private), at
 * settings.fetch_ports. That is looked at when the socket is made, so no name can become another address in between, and for each redirection anew.
 * No user names, proxies, cookies or compression; the certificate is checked. libcurl does it, on a thread of libuv's pool: limits.files at a time, more
 * wait; limits.file_seconds and limits.file_bytes for each.
 */
#ifndef GATEWAY_TRANSFER_H
#define GATEWAY_TRANSFER_H

#include <stdbool.h>

#include "gateway/spool.h"

struct gateway;
struct transfer;

enum transfer_end {
	TRANSFER_DONE,
	TRANSFER_REFUSED, /* and would be again */
	TRANSFER_LATER,   /* not now */
};

/* `why`: the end of a sentence for people. `file`: what was fetched, the callee's, or NULL. `type`: of what was fetched, or NULL. Never from within the call that
 * began it; not when the program ends before. */
typedef void transfer_fn(void *arg, enum transfer_end end, const char *why, struct spool *file, const char *type);

/* `ours`: an address of our upload service. */
struct transfer *transfer_get(struct gateway *g, const char *url, bool ours, transfer_fn *fn, void *arg);
/* Takes the file. `type` NULL: not known. */
struct transfer *transfer_put(struct gateway *g, const char *url, const char *type, struct spool *file, transfer_fn *fn, void *arg);
/* No call follows. NULL is fine. */
void transfer_cancel(struct transfer *t);
/* Is this the address of a file that was uploaded here? */
bool transfer_is_ours(const struct gateway *g, const char *url);
/* At the end of a turn: those that there is a thread for begin. */
void transfers_turn(struct gateway *g);
/* All of them, at the end of the program. */
void transfers_end(struct gateway *g);

#endif
