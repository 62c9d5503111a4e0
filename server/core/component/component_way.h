/*
 * component_way: what is on its way to a domain of a component, at the domain's home: one queue, first in, first out, and the stream that takes it
 * there. A stanza stays in the queue until it has arrived: by XEP-0198 until <a/>, without it until the kernel has it, or, where
 * messages are kept, until the component's kernel has acknowledged it and the stream has lived on for a moment.
 *
 * While there is no stream, messages wait where an administrator has chosen that (component_rules.keep): for components.keep, and so many
 * (limits.component_kept_*). They are in the record as on their way (core/federation/outbox), so a crash loses none; some may come
 * twice. Everything else, and everything elsewhere, goes back to its sender.
 */
#ifndef CORE_COMPONENT_WAY_H
#define CORE_COMPONENT_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "core/route/packet.h"

struct component;

/* At home, all of these. Takes the reference. */
void component_way_send(struct packet *p);
/* What the server itself tells the component on its stream, which is not refused for lack of room: administrators cause it, not peers. */
void component_way_tell(struct component *c, struct packet *p);
/* The stream speaks for its domain from here on; False: another one does. Then, when it may be written to: it gets what waits. */
bool component_way_join(struct component *c) MUST_CHECK;
void component_way_ready(struct component *c);
void component_way_counts(struct component *c); /* by XEP-0198, from here on */
void component_way_leave(struct component *c);
/* Of what was written to the stream: the kernel has it up to here; the component has acknowledged the first n. */
void component_way_flushed(struct component *c, uint64_t upto);
void component_way_confirmed(struct component *c, uint32_t n);
/* How many have been written that have not arrived. */
uint32_t component_way_written(const struct component *c);
/* What may wait has changed. */
void component_way_review(void);

/* The domains that are connected; any thread. fn must not call back. */
void component_way_each(void (*fn)(void *arg, const char *domain), void *arg);

void component_way_home_start(void);
/* The server stops: what is in the record stays there, the rest goes back. */
void component_way_home_stop(void);

#endif
