/* sip_settings: the object `network` of a SIP gateway's settings; README.md has the table. */
#ifndef GATEWAY_SIP_SIP_SETTINGS_H
#define GATEWAY_SIP_SIP_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct sip_peers;

enum sip_identity {
	SIP_IDENTITY_FROM,     /* who From says */
	SIP_IDENTITY_ASSERTED, /* who P-Asserted-Identity says (RFC 3325); it must be there */
};

struct sip_settings {
	char *address;      /* to listen on, and the one that others reach us by */
	unsigned port;      /* UDP and TCP; 0: neither */
	unsigned tls_port;  /* 0: none */
	bool udp;           /* on port, beside TCP */
	char *certificates; /* folder with agent.pem and cafile.pem; NULL: no TLS */
	char *proxy;        /* URI: where all that goes out goes to */
	char *domain;       /* of our people's addresses there */
	char *user;         /* for digest authentication; NULL: none */
	char *password;
	bool registers;     /* each of our people who uses it, at the proxy */
	struct sip_peers *peers;
	enum sip_identity identity;
	bool typing;        /* is told (RFC 3994) */
	bool publish;       /* presence of our people is told to the proxy (RFC 3903) */
	bool reports;       /* of delivery are asked for (RFC 5438): texts go out in a CPIM wrapper */
};

/* `host` is what `domain` is by default. -1: refused, nothing is held. */
int sip_settings_read(struct sip_settings *s, const json_t *settings, const char *host, struct err *e) MUST_CHECK;
void sip_settings_fini(struct sip_settings *s);

#endif
