/*
 * sasl2: authentication with what comes after it in one step (XEP-0388): a client says who and what it is, and asks
 * in the same breath to resume its session (XEP-0198 §11), to bind a resource (XEP-0386), for a token (XEP-0484).
 *
 * The exchange itself is c2s_sasl's. When it has succeeded the stream moves to its user's home before anything is said:
 * there the device is noted, the session resumed or bound, and <success/> tells all of it. No stream restarts.
 */
#ifndef CORE_SASL2_H
#define CORE_SASL2_H

#include "base/arena.h"
#include "core/stream/fast.h"
#include "store/device.h"

struct c2s;
struct elem;
struct sasl2;
struct stanza;

/* <authenticate/>. */
void sasl2_authenticate(struct c2s *c, struct stanza *st);
void sasl2_free(struct sasl2 *s);

/* For c2s_sasl. What a job takes along: the client's words, copied. `out->id` NULL: it did not say. */
void sasl2_agent(const struct sasl2 *s, struct arena *a, struct device_agent *out);
void sasl2_claim(struct c2s *c, struct arena *a, const char *bare, struct fast_claim *out);
/* What was found out. */
void sasl2_know_device(struct sasl2 *s, const struct device_state *d);
void sasl2_take_claim(struct sasl2 *s, const struct fast_claim *c);
/* <next/>, while there is a task (XEP-0388 §2.6): the one-time code of the account's second factor. */
void sasl2_next(struct c2s *c, const struct elem *e);
bool sasl2_has_task(const struct c2s *c);
/* It is who it says. `data`: what the mechanism says with success, base64. */
void sasl2_accepted(struct c2s *c, const char *data);
/* The end of the turn in which it was accepted. */
void sasl2_go_home(struct c2s *c);
/* At home. */
void sasl2_arrived(struct c2s *c);

#endif
