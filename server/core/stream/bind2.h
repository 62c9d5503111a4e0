/*
 * bind2: binding as part of authentication (XEP-0386): the server makes the resource, and what the client wants for its
 * session is done with it. Stream management is ours; modules add theirs by HOOK_BIND_FEATURES and HOOK_BIND_INLINE.
 */
#ifndef CORE_BIND2_H
#define CORE_BIND2_H

#include <stdbool.h>

#include "base/buf.h"

struct c2s;
struct elem;
struct session;
struct user;

/* Ends earlier sessions of the same client, and says whether there is room for one more. */
bool bind2_may(struct c2s *c, struct user *u);
/* Binds. `agent` is the client's id or NULL. `bound` gets the <bound/> for <success/>; nothing has been written yet. */
struct session *bind2(struct c2s *c, struct user *u, const struct elem *bind, const char *agent, struct buf *bound);

#endif
