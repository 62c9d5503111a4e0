/*
 * address: foreign addresses as localparts (XEP-0106), and back.
 */
#ifndef GATEWAY_ADDRESS_H
#define GATEWAY_ADDRESS_H

#include "gateway/network.h"

#define ADDRESS_LOCAL_MAX 1024

/* `foreign` as a prepared localpart. What no localpart can say even when escaped (symbols, mixed directions) is written in hexadecimal behind "=x".
 * -1: empty, or too long. */
int gateway_address_to_local(const char *foreign, char local[ADDRESS_LOCAL_MAX]);
/* Back. -1: too long, or nothing that came from there. */
int gateway_address_from_local(const char *local, char foreign[NETWORK_ADDRESS_MAX]);

#endif
