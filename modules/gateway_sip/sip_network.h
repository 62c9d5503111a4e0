/* sip_network: the table that main.c hands to the framework. */
#ifndef GATEWAY_SIP_SIP_NETWORK_H
#define GATEWAY_SIP_SIP_NETWORK_H

#include "gateway/network.h"

extern const struct network sip_network;

#endif
