/*
 * door: where the mail system brings what came for us: LMTP on a local socket or a loopback address, on libuv.
 *
 * Whoever may connect is believed to be the mail system. One thread.
 */
#ifndef GATEWAY_MAIL_DOOR_H
#define GATEWAY_MAIL_DOOR_H

#include <uv.h>

#include "base/err.h"
#include "lmtp.h"
#include "settings.h"

struct door;
struct delivery; /* a mail that waits for answers */

struct door_calls {
	/* As lmtp_calls has it. */
	const char *(*recipient)(void *owner, const char *to);
	/* Its texts live until the last recipient is answered: delivery_answer, once for each, within this call or later. The mail system may have gone
	 * meanwhile: then it brings the mail again. */
	void (*mail)(void *owner, struct delivery *d, const struct lmtp_mail *m);
};

/* `s` is borrowed, until it is freed or changed. NULL: the reason is in `e`. */
struct door *door_new(uv_loop_t *loop, const struct mail_settings *s, const struct door_calls *calls, void *owner, struct err *e);
void door_change(struct door *d, const struct mail_settings *s);
/* Ends all connections; handles are closed when the loop runs. Deliveries are still to be answered, though nobody hears it. NULL is fine. */
void door_free(struct door *d);

void delivery_answer(struct delivery *d, size_t recipient, const char *reply);

#endif
