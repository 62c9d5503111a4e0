/* sip_peers: the addresses from which requests are taken. */
#ifndef GATEWAY_SIP_SIP_PEERS_H
#define GATEWAY_SIP_SIP_PEERS_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"

struct sip_peers;

/* An array of addresses and networks as text. NULL: something else. */
struct sip_peers *sip_peers_read(const json_t *list, struct err *e);
void sip_peers_free(struct sip_peers *p);
bool sip_peers_have(const struct sip_peers *p, const struct sockaddr *sa);

#endif
