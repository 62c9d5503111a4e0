/* mail_network: the table of the network, for main. */
#ifndef GATEWAY_MAIL_MAIL_NETWORK_H
#define GATEWAY_MAIL_MAIL_NETWORK_H

#include "gateway/network.h"

extern const struct network mail_network;

#endif
