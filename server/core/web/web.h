/*
 * web: what is served over HTTPS: WebSocket, BOSH, host-meta, files. The table of paths is in web.c.
 *
 * All of it runs on one reactor beside the homes (net/http). A WebSocket leaves it as soon as its handshake is over and is a
 * client's stream like any other from there on (core/stream/c2s_framed).
 */
#ifndef CORE_WEB_H
#define CORE_WEB_H

#include "core/config/config.h"
#include "net/listener.h"

/* Starts the thread; with the settings in force. 0 or -1. */
int web_start(void);
/* listener_fn of listen.https. */
void web_accept(int fd, const struct sockaddr *peer, void *unused);
void web_listen(struct listener *l);
/* After config_set. */
void web_reload(void);
/* Nothing new is begun. */
void web_quiet(void);
/* When no stream is left. */
void web_stop(void);

#endif
