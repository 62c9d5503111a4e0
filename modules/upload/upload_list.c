/*
 * upload_list: the command by which people see what they have uploaded and delete it: nobody can fetch it from then on. The record keeps what
 * it was, and the content stays until it would have gone anyway, so it counts against the quota until then.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "upload.h"
#include "upload_store.h"
#include "xmpp/form.h"

#define SHOWN_MAX 100

struct work {
	struct upload_list list; /* first: it is what a job is given */
	struct command *c;
};

struct deletion {
	struct upload_hiding hiding; /* first */
	struct command *c;
};

static void
add_option(struct hook *h, struct command *c, struct elem *field, const struct upload_listed *u)
{
	char when[32], id[24];

	clock_format(u->kept_us, when);
	when[10] = '\0'; /* the day */
	snprintf(id, sizeof(id), "%" PRId64, u->id);
	form_add_option(c->answer, field, arena_printf(h->arena, "%s (%" PRIu64 " bytes, %s)", u->name, u->size, when), id);
}

static enum hook_verdict
listed(struct hook *h, void *data, bool ok)
{
	struct work *w = data;
	struct elem *x, *field;

	if (!ok)
		return hook_unavailable(h);
	if (!w->list.n)
		return command_say(h, w->c, "info", "You have no files here.");
	x = command_form(w->c, w->c->def->name, "Nobody can fetch from here what you delete. Who has it already keeps it, and the record keeps what it was.");
	field = form_add(w->c->answer, x, "list-multi", "files", "Files", NULL);
	for (unsigned i = 0; i < w->list.n; i++)
		add_option(h, w->c, field, &w->list.item[i]);
	return command_send(h, w->c);
}

static enum hook_verdict
hidden(struct hook *h, void *data, bool ok)
{
	struct deletion *d = data;

	if (!ok)
		return hook_unavailable(h);
	log_info(NULL, "uploads-deleted", "jid=%s n=%u", jid_bare(h->from), d->hiding.done);
	return command_say(h, d->c, "info", arena_printf(h->arena, "%u of your files can no longer be fetched.", d->hiding.done));
}

/* Numbers of the form as PostgreSQL writes arrays; NULL: not numbers. */
static const char *
ids_of(struct arena *a, const struct form_field *f)
{
	struct buf b = { 0 };
	const char *out = NULL;
	uint64_t id;

	buf_addc(&b, '{');
	for (unsigned i = 0; f && i < f->n; i++) {
		if (i >= SHOWN_MAX || !text_u64(f->value[i], strlen(f->value[i]), 1, INT64_MAX, &id))
			goto out;
		buf_addf(&b, "%s%" PRIu64, i ? "," : "", id);
	}
	buf_addc(&b, '}');
	out = arena_strdup(a, buf_str(&b));
out:
	buf_fini(&b);
	return out;
}

static enum hook_verdict
run(struct hook *h, struct command *c)
{
	struct arena *a = hook_memory(h);
	struct deletion *d;
	struct work *w;

	if (!c->step) {
		w = arena_zalloc(a, sizeof(*w));
		w->c = c;
		w->list.account = h->account_id;
		w->list.most = SHOWN_MAX;
		return hook_job(h, w, upload_store_list, listed);
	}
	d = arena_zalloc(a, sizeof(*d));
	d->c = c;
	d->hiding.account = h->account_id;
	d->hiding.ids = ids_of(a, form_find(c->form[0], "files"));
	return d->hiding.ids ? hook_job(h, d, upload_store_hide, hidden) : command_bad_form(h, "files are chosen from the list");
}

const struct module_command upload_delete_command = {
	.node = "urn:chancery:files:0#delete",
	.name = "Delete my uploaded files",
	.target = MODULE_ACCOUNT,
	.setting = "files.on",
	.steps = 1,
	.run = run,
};
