/*
 * https: a control client whose server is elsewhere (--server URL).
 */
#ifndef CHANCERY_HTTPS_H
#define CHANCERY_HTTPS_H

#include "common/control_client.h"

/* `url`: https://HOST[:PORT]. `ca_file`: authorities in PEM, instead of the system's; NULL. Nothing is sent yet. NULL and `e`. */
struct control_client *https_client_new(const char *url, const char *ca_file, struct err *e) MUST_CHECK;

#endif
