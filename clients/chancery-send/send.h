/*
 * send: one message, and waiting until the server has taken it.
 */
#ifndef CHANCERY_SEND_SEND_H
#define CHANCERY_SEND_SEND_H

#include "link.h"

/* Returns the exit code; a failure has been told on standard error. */
int send_message(const struct link_settings *set, const char *to, const char *text);

#endif
