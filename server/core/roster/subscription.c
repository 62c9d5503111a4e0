/*
 * subscription: Appendix A of RFC 6121 as two tables, stanza by state, and pre-approval (§3.4) on top.
 *
 * Called by core/roster_change on the user's home. Keeps nothing.
 */
#include "core/roster/subscription.h"

#include <assert.h>

/* The nine states in the order of the appendix. */
enum { N, NO, NI, NOI, T, TI, F, FO, B, STATES };

static const unsigned bits_of[STATES] = {
	[N] = SUB_NONE,
	[NO] = SUB_ASK,
	[NI] = SUB_ASKED,
	[NOI] = SUB_ASK | SUB_ASKED,
	[T] = SUB_TO,
	[TI] = SUB_TO | SUB_ASKED,
	[F] = SUB_FROM,
	[FO] = SUB_FROM | SUB_ASK,
	[B] = SUB_BOTH,
};

enum { SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBED, UNSUBSCRIBED, STANZAS };

struct cell {
	unsigned char pass, next;
};

/* A.2: what the user sends. pass: MUST (1) or MUST NOT (0) be routed. */
static const struct cell outbound[STANZAS][STATES] = {
	/* A.2.1 */
	[SUBSCRIBE] = { [N] = { 1, NO }, [NO] = { 1, NO }, [NI] = { 1, NOI }, [NOI] = { 1, NOI }, [T] = { 1, T },
		[TI] = { 1, TI }, [F] = { 1, FO }, [FO] = { 1, FO }, [B] = { 1, B } },
	/* A.2.2 */
	[UNSUBSCRIBE] = { [N] = { 1, N }, [NO] = { 1, N }, [NI] = { 1, NI }, [NOI] = { 1, NI }, [T] = { 1, N },
		[TI] = { 1, NI }, [F] = { 1, F }, [FO] = { 1, F }, [B] = { 1, F } },
	/* A.2.3 */
	[SUBSCRIBED] = { [N] = { 0, N }, [NO] = { 0, NO }, [NI] = { 1, F }, [NOI] = { 1, FO }, [T] = { 0, T },
		[TI] = { 1, B }, [F] = { 0, F }, [FO] = { 0, FO }, [B] = { 0, B } },
	/* A.2.4 */
	[UNSUBSCRIBED] = { [N] = { 0, N }, [NO] = { 0, NO }, [NI] = { 1, N }, [NOI] = { 1, NO }, [T] = { 0, T },
		[TI] = { 1, T }, [F] = { 1, N }, [FO] = { 1, NO }, [B] = { 1, T } },
};

/* A.3: what the contact sends. pass: MUST or MUST NOT be delivered to the user. */
static const struct cell inbound[STANZAS][STATES] = {
	/* A.3.1 */
	[SUBSCRIBE] = { [N] = { 1, NI }, [NO] = { 1, NOI }, [NI] = { 0, NI }, [NOI] = { 0, NOI }, [T] = { 1, TI },
		[TI] = { 0, TI }, [F] = { 0, F }, [FO] = { 0, FO }, [B] = { 0, B } },
	/* A.3.2 */
	[UNSUBSCRIBE] = { [N] = { 0, N }, [NO] = { 0, NO }, [NI] = { 1, N }, [NOI] = { 1, NO }, [T] = { 0, T },
		[TI] = { 1, T }, [F] = { 1, N }, [FO] = { 1, NO }, [B] = { 1, T } },
	/* A.3.3 */
	[SUBSCRIBED] = { [N] = { 0, N }, [NO] = { 1, T }, [NI] = { 0, NI }, [NOI] = { 1, TI }, [T] = { 0, T },
		[TI] = { 0, TI }, [F] = { 0, F }, [FO] = { 1, B }, [B] = { 0, B } },
	/* A.3.4 */
	[UNSUBSCRIBED] = { [N] = { 0, N }, [NO] = { 1, N }, [NI] = { 0, NI }, [NOI] = { 1, NI }, [T] = { 1, N },
		[TI] = { 1, NI }, [F] = { 0, F }, [FO] = { 1, F }, [B] = { 1, F } },
};

unsigned
subscription_normal(unsigned state)
{
	state &= SUB_BOTH | SUB_ASK | SUB_ASKED;
	if (state & SUB_TO)
		state &= ~(unsigned)SUB_ASK;
	if (state & SUB_FROM)
		state &= ~(unsigned)SUB_ASKED;
	return state;
}

static unsigned
index_of(unsigned state)
{
	unsigned i = 0;

	state = subscription_normal(state);
	while (bits_of[i] != state)
		i++;
	assert(i < STATES);
	return i;
}

static unsigned
row_of(enum packet_type type)
{
	switch (type) {
	case TYPE_SUBSCRIBE:
		return SUBSCRIBE;
	case TYPE_UNSUBSCRIBE:
		return UNSUBSCRIBE;
	case TYPE_SUBSCRIBED:
		return SUBSCRIBED;
	default:
		assert(type == TYPE_UNSUBSCRIBED);
		return UNSUBSCRIBED;
	}
}

static struct subscription_step
look_up(const struct cell table[STANZAS][STATES], enum packet_type type, struct subscription now)
{
	const struct cell *c = &table[row_of(type)][index_of(now.state)];

	return (struct subscription_step){
		.next = { .state = bits_of[c->next], .approved = now.approved },
		.pass = c->pass,
	};
}

/* §3.4: `subscribed` to somebody who has not asked and is not subscribed is a pre-approval, kept and
 * not routed; `unsubscribed` takes it back, whatever else it does (A.2.4). */
struct subscription_step
subscription_out(enum packet_type type, struct subscription now)
{
	struct subscription_step s = look_up(outbound, type, now);

	if (type == TYPE_SUBSCRIBED)
		s.next.approved = !s.pass && !(s.next.state & SUB_FROM);
	else if (type == TYPE_UNSUBSCRIBED)
		s.next.approved = false;
	return s;
}

/* §3.1.3: who is subscribed already gets `subscribed` again; who is pre-approved gets it now, and the
 * user is not asked. The approval is used up by that: it was for a request, not for good. */
struct subscription_step
subscription_in(enum packet_type type, struct subscription now)
{
	struct subscription_step s = look_up(inbound, type, now);

	if (type != TYPE_SUBSCRIBE)
		return s;
	if (now.state & SUB_FROM) {
		s.grant = true;
	} else if (now.approved) {
		s.next.state = subscription_normal(now.state | SUB_FROM);
		s.next.approved = false;
		s.pass = false;
		s.grant = true;
	}
	return s;
}

bool
subscription_differs(struct subscription a, struct subscription b)
{
	return a.approved != b.approved || ((a.state ^ b.state) & ~(unsigned)SUB_ASKED) != 0;
}

const char *
subscription_name(unsigned state)
{
	static const char *const names[] = { "none", "to", "from", "both" };

	return names[state & SUB_BOTH];
}
