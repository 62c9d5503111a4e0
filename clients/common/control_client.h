/*
 * control_client: speaks to a server's control socket (server/admin/control.h says how).
 *
 * Connect, ask as often as you like, close. Blocking; answers are awaited as long as the server is there.
 */
#ifndef COMMON_CONTROL_CLIENT_H
#define COMMON_CONTROL_CLIENT_H

#include <jansson.h>

#include "base/err.h"

struct control_client;

/* NULL and `e`, in words for whoever typed the command. */
struct control_client *control_client_new(const char *path, struct err *e) MUST_CHECK;
/* The same over another way than the local socket. `ask`: one request with its token (NULL: none), `args` stays the caller's; the rows, or NULL and
 * `e`; *next, to be freed, or NULL. The client owns `arg`. */
struct control_transport {
	json_t *(*ask)(void *arg, const char *noun, const char *verb, json_t *args, const char *token, char **next, struct err *e);
	void (*free)(void *arg);
};
struct control_client *control_client_new_over(const struct control_transport *t, void *arg);
void control_client_free(struct control_client *c);
/* Sends a request; takes the reference to `args`, an object or NULL. `verb` may be NULL. The rows of the
 * answer, an array that the caller owns; NULL and `e` when the server refused or is gone. */
json_t *control_client_ask(struct control_client *c, const char *noun, const char *verb,
			   json_t *args, struct err *e) MUST_CHECK;

/* The person who asks is whose token this is: sent with each request from here on. NULL: nobody in particular. Copied. */
void control_client_set_token(struct control_client *c, const char *token);
/* Where the next page of the last answer begins; NULL: it was all. Until the next request. */
const char *control_client_next(const struct control_client *c);

#endif
