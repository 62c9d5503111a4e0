/*
 * module_network: gateways to public networks, for the module that keeps their policy: whose domain an address is at, and what people may there.
 */
#ifndef MODULE_NETWORK_H
#define MODULE_NETWORK_H

#include "core/gateway/gateway.h"
#include "core/gateway/gateway_rules.h"
#include "core/gateway/gateway_stats.h"
#include "module.h"

/* The gateway at whose domain this address is, a new reference; NULL: none. */
static inline struct gateway *
module_gateway(const struct jid *j)
{
	return j && gateway_any() ? gateway_get(jid_domain(j)) : NULL;
}

#endif
