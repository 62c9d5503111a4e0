/* irc: the network IRC, as the framework sees it. */
#ifndef GATEWAY_IRC_IRC_H
#define GATEWAY_IRC_IRC_H

#include "gateway/network.h"

extern const struct network irc_network;

#endif
