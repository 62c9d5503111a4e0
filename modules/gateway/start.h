/*
 * start: what a gateway program is started with (README.md), and the settings, which may be others later.
 */
#ifndef GATEWAY_START_H
#define GATEWAY_START_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/limits.h"
#include "gateway/reach.h"

struct gateway_start {
	char *name, *domain, *host, *server, *secret;
	uint16_t port;
	bool supervised;  /* --settings -: the end of standard input ends us */
	json_t *settings; /* NULL: to be asked for */
};

struct gateway_settings {
	struct gateway_limits limits;
	bool relay, account;
	char *disclaimer, *upload; /* NULL: none */
	char *upload_url, *upload_at, *ca_file; /* NULL: no files; where its name leads; the system's authorities */
	struct reach reach;        /* fetch_private, fetch_ports */
	json_t *network;           /* an object; the network's own */
};

/* From the command line. -1: with the reason. Sets the log's level. */
int gateway_start_read(struct gateway_start *s, int argc, char **argv, struct err *err);
void gateway_start_free(struct gateway_start *s);
/* `o`: what <settings/> answers. -1: something in it is wrong; `s` stays. Else what was in `s` is freed. */
int gateway_settings_read(struct gateway_settings *s, const json_t *o, struct err *err);
void gateway_settings_free(struct gateway_settings *s);

#endif
