/*
 * sms_network: SMS by SMPP 3.4 (README.md), as a table of the gateway framework's.
 */
#ifndef GATEWAY_SMS_SMS_NETWORK_H
#define GATEWAY_SMS_SMS_NETWORK_H

#include "gateway/network.h"

extern const struct network sms_network;

#endif
