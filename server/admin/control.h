/*
 * control: the local socket that `chancery` speaks to.
 *
 * One JSON object a line, both ways. A request is {"verb":["user","add"],"args":{…}}; the answer is any
 * number of {"row":{…}} and then {"done":true} or {"error":"text"}. One request at a time on a connection,
 * as many as one likes after each other. Who may connect: root, the server's own account, and members of
 * the socket's group; others are told and logged.
 *
 * A thread per connection, limits.control_clients of them, each with a database connection of its own.
 */
#ifndef ADMIN_CONTROL_H
#define ADMIN_CONTROL_H

#include "admin/audit/audit.h"
#include "base/err.h"

#define CONTROL_LINE_MAX (1 << 20)

struct control_settings {
	const char *path, *conninfo;
	int (*reload)(struct sql *db, const struct audit_who *who, struct err *e); /* see admin.h */
};

int control_start(const struct control_settings *s, struct err *e) MUST_CHECK;
void control_stop(void);
/* What verbs need to know of the server, for others who run them. Between start and stop. */
struct request_server;
struct request_server *control_server(void);

#endif
