/*
 * sip_loop: sofia-sip's event loop inside ours.
 *
 * A su_root waits in an epoll of its own, which can be waited for like any socket; what it has to do at a certain time is asked each time before our loop sleeps.
 * So all of it happens on our thread, from our loop. The library does not tell the descriptor of its epoll: it is the one that came into being with the root.
 */
#ifndef GATEWAY_SIP_SIP_LOOP_H
#define GATEWAY_SIP_SIP_LOOP_H

#include <sofia-sip/su_wait.h>
#include <uv.h>

#include "base/err.h"

struct sip_loop;

/* NULL: not to be had. */
struct sip_loop *sip_loop_start(uv_loop_t *loop, struct err *e);
su_root_t *sip_loop_root(struct sip_loop *l);
/* Lets what has been handed to the library be done until nothing is ready any more: before it is ended. */
void sip_loop_flush(struct sip_loop *l);
/* All that uses the root is gone. The handles close behind the call. NULL is fine. */
void sip_loop_stop(struct sip_loop *l);

#endif
