/*
 * time: Entity Time (XEP-0202) of the server: UTC and the offset of its time zone, both as XEP-0082 writes them.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "module.h"
#include "xmpp/ns.h"

static void
add_text(struct stanza *st, struct elem *time, const char *name, const char *text)
{
	elem_add_text(st, elem_add(st, time, NULL, name), text, strlen(text));
}

/* The offset at that moment, summer time included: (+|-)hh:mm. */
static const char *
offset(struct arena *a, int64_t wall_us)
{
	time_t t = (time_t)(wall_us / 1000000);
	struct tm tm;
	long minutes = localtime_r(&t, &tm) ? tm.tm_gmtoff / 60 : 0;

	return arena_printf(a, "%c%02ld:%02ld", minutes < 0 ? '-' : '+', labs(minutes) / 60, labs(minutes) % 60);
}

static enum hook_verdict
on_time(struct hook *h)
{
	int64_t now = clock_wall_us();
	struct stanza *st = hook_result(h);
	struct elem *time = elem_add(st, st->root, NS_TIME, "time");
	char utc[32];

	add_text(st, time, "tzo", offset(h->arena, now));
	add_text(st, time, "utc", clock_format(now, utc));
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static int
attach(struct module *m)
{
	/* localtime_r need not look by itself which zone this is (POSIX). */
	tzset();
	module_offers(m, NS_TIME, MODULE_SERVER);
	return module_on_iq(m, MODULE_IQ_GET, NS_TIME, "time", MODULE_SERVER, on_time);
}

const struct module_def time_module = {
	.name = "time",
	.about = "Entity Time (XEP-0202)",
	.attach = attach,
};
