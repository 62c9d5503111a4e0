/* component_priv: what component.c and component_stream.c share and nobody else needs. */
#ifndef CORE_COMPONENT_PRIV_H
#define CORE_COMPONENT_PRIV_H

#include "core/component/component.h"
#include "xmpp/xerror.h"

struct component;
struct reactor;

/* 0; -1: there is no such domain. */
int component_secret(const char *domain, char out[256]) MUST_CHECK;
/* At the home of its domain: the stream speaks for it from here on. False: another one does. */
bool component_join(struct component *c, const char *domain) MUST_CHECK;
void component_leave(struct component *c, const char *domain);
struct reactor *component_home(const char *domain);
void component_home_joined_init(void);
void component_stream_send(struct component *c, struct packet *p);
/* Nobody is there for it: its sender is told, when there is somebody to tell. Borrows p. */
void component_refuse(const struct packet *p, enum xerror e, const char *text);

#endif
