/*
 * listen: becomes available and prints the messages that come.
 */
#ifndef CHANCERY_SEND_LISTEN_H
#define CHANCERY_SEND_LISTEN_H

#include "link.h"

struct listen_settings {
	unsigned count;        /* stop after so many; 0: never */
	bool json;             /* an object a line */
};

/* Returns the exit code: 0 after `count` messages, or at the time limit when no count was asked for. */
int listen_messages(const struct link_settings *set, const struct listen_settings *how);

#endif
