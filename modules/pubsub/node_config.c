/*
 * node_config: one table of fields. A field has a place in struct node_config, or one value that it always has: asking for
 * another is asking for what no node of ours can be.
 */
#include "node_config.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define CONFIG "http://jabber.org/protocol/pubsub#node_config"
#define OPTIONS "http://jabber.org/protocol/pubsub#subscribe_options"
#define METADATA "http://jabber.org/protocol/pubsub#meta-data"

/* XEP-0163 §5. max_items as ejabberd and Prosody have it. */
const struct node_config node_config_personal = {
	.access = ACCESS_PRESENCE,
	.send_last = LAST_ON_SUB_AND_PRESENCE,
	.publish = PUBLISH_PUBLISHERS,
	.full = FULL_RETRACT,
	.max_items = 1,
	.persist = true,
	.payloads = true,
	.notify = true,
	.notify_retract = true,
	.notify_delete = true,
	.available_only = true,
	.subscribe = true,
};

/* XEP-0060 §4.5: open to all. Items are kept as long as there is room. */
const struct node_config node_config_service = {
	.access = ACCESS_OPEN,
	.send_last = LAST_ON_SUB_AND_PRESENCE,
	.publish = PUBLISH_PUBLISHERS,
	.full = FULL_RETRACT,
	.persist = true,
	.payloads = true,
	.notify = true,
	.notify_retract = true,
	.notify_delete = true,
	.subscribe = true,
};

enum kind { BOOL, CHOICE, ITEMS, SIZE, SECONDS, STYLE, LIST, TEXT, FIXED };

struct choice {
	const char *name;
	int value;
};

static const struct choice accesses[] = { { "open", ACCESS_OPEN }, { "presence", ACCESS_PRESENCE }, { "roster", ACCESS_ROSTER },
	{ "authorize", ACCESS_AUTHORIZE }, { "whitelist", ACCESS_WHITELIST }, { NULL, 0 } };
static const struct choice lasts[] = { { "never", LAST_NEVER }, { "on_sub", LAST_ON_SUB },
	{ "on_sub_and_presence", LAST_ON_SUB_AND_PRESENCE }, { NULL, 0 } };
static const struct choice publishes[] = { { "publishers", PUBLISH_PUBLISHERS }, { "subscribers", PUBLISH_SUBSCRIBERS },
	{ "open", PUBLISH_OPEN }, { NULL, 0 } };
static const struct choice fulls[] = { { "retract-oldest", FULL_RETRACT }, { "discard-oldest", FULL_DISCARD },
	{ "reject", FULL_REJECT }, { NULL, 0 } };
static const struct choice replies[] = { { "none", REPLY_NONE }, { "publisher", REPLY_PUBLISHER }, { NULL, 0 } };

static const struct field {
	const char *var;
	enum kind kind;
	size_t offset;
	const char *label;
	const char *fixed; /* FIXED: its only value; "0" and "1" are booleans */
	const struct choice *choices;
} fields[] = {
#define AT(member) offsetof(struct node_config, member)
	{ "pubsub#title", TEXT, AT(title), "Title", NULL, NULL },
	{ "pubsub#description", TEXT, AT(description), "Description", NULL, NULL },
	{ "pubsub#type", TEXT, AT(type), "Type of the payload, usually its namespace", NULL, NULL },
	{ "pubsub#language", TEXT, AT(language), "Language", NULL, NULL },
	{ "pubsub#access_model", CHOICE, AT(access), "Who may subscribe and retrieve items", NULL, accesses },
	{ "pubsub#roster_groups_allowed", LIST, AT(groups), "Roster groups that may, when the access model is roster", NULL, NULL },
	{ "pubsub#publish_model", CHOICE, AT(publish), "Who may publish", NULL, publishes },
	{ "pubsub#subscribe", BOOL, AT(subscribe), "Subscriptions are taken", NULL, NULL },
	{ "pubsub#persist_items", BOOL, AT(persist), "Items are kept", NULL, NULL },
	{ "pubsub#max_items", ITEMS, AT(max_items), "Items kept at most, or max", NULL, NULL },
	{ "pubsub#item_expire", SECONDS, AT(expire), "Seconds that items are kept, or max", NULL, NULL },
	{ "pubsub#publish_node_full", CHOICE, AT(full), "What makes room for one item more", NULL, fulls },
	{ "pubsub#max_payload_size", SIZE, AT(max_payload), "Bytes of a payload at most", NULL, NULL },
	{ "pubsub#deliver_notifications", BOOL, AT(notify), "Events are told", NULL, NULL },
	{ "pubsub#deliver_payloads", BOOL, AT(payloads), "Events come with their payload", NULL, NULL },
	{ "pubsub#notification_type", STYLE, AT(normal), "Type of the messages that tell of events", NULL, NULL },
	{ "pubsub#presence_based_delivery", BOOL, AT(available_only), "Events are told to who is available only", NULL, NULL },
	{ "pubsub#send_last_published_item", CHOICE, AT(send_last), "When the last item is sent", NULL, lasts },
	{ "pubsub#notify_retract", BOOL, AT(notify_retract), "Tells when an item is removed", NULL, NULL },
	{ "pubsub#notify_delete", BOOL, AT(notify_delete), "Tells when the node is deleted", NULL, NULL },
	{ "pubsub#notify_config", BOOL, AT(notify_config), "Tells when the configuration changes", NULL, NULL },
	{ "pubsub#notify_sub", BOOL, AT(notify_sub), "Tells owners who subscribes and who leaves", NULL, NULL },
	{ "pubsub#itemreply", CHOICE, AT(reply), "Items say who published them", NULL, replies },
#undef AT
	{ "pubsub#purge_offline", FIXED, 0, NULL, "0", NULL },
	{ "pubsub#node_type", FIXED, 0, "Kind of node", "leaf", NULL },
	{ "pubsub#tempsub", FIXED, 0, NULL, "0", NULL },
};

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define FIELDS COUNT(fields)
#define EXPIRE_MAX (100 * 365 * 86400u)

static void *
place(const struct node_config *c, const struct field *f)
{
	return (char *)c + f->offset;
}

/* Reading */

static bool
read_choice(const struct choice *c, const char *text, int *out)
{
	for (; c->name; c++)
		if (!strcmp(c->name, text)) {
			*out = c->value;
			return true;
		}
	return false;
}

static bool
read_flag(const char *text, bool *out)
{
	*out = !strcmp(text, "1") || !strcmp(text, "true");
	return *out || !strcmp(text, "0") || !strcmp(text, "false");
}

/* "max" is 0; a number has to fit what the server allows. */
static bool
read_count(const char *text, uint32_t most, uint32_t *out)
{
	uint64_t n;

	if (!strcmp(text, "max")) {
		*out = 0;
		return true;
	}
	if (!text_u64(text, strlen(text), 1, most, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool
read_style(const char *text, bool *normal)
{
	*normal = !strcmp(text, "normal");
	return *normal || !strcmp(text, "headline");
}

static bool
is_fixed(const struct field *f, const char *text)
{
	bool is, want;

	if (read_flag(f->fixed, &want) && read_flag(text, &is))
		return is == want;
	return !strcmp(text, f->fixed);
}

static bool
read_list(const struct form_field *given, const struct node_bounds *b, struct node_list *out)
{
	*out = (struct node_list){ given->value, given->n };
	for (unsigned i = 0; i < given->n; i++)
		if (strlen(given->value[i]) > b->text)
			return false;
	return given->n <= b->list;
}

static bool
read_field(const struct field *f, const struct form_field *given, const struct node_bounds *b, struct node_config *out)
{
	const char *text = given->n ? given->value[0] : "";
	void *at = place(out, f);

	switch (f->kind) {
	case BOOL:
		return read_flag(text, at) && (!b->personal || at != (void *)&out->available_only || out->available_only);
	case CHOICE:
		return read_choice(f->choices, text, at);
	case ITEMS:
		return read_count(text, b->items, at);
	case SIZE:
		return read_count(text, b->payload, at);
	case SECONDS:
		return read_count(text, EXPIRE_MAX, at);
	case STYLE:
		return read_style(text, at);
	case LIST:
		return read_list(given, b, at);
	case TEXT:
		*(const char **)at = *text ? text : NULL;
		return strlen(text) <= b->text;
	case FIXED:
		return is_fixed(f, text);
	}
	return false;
}

static const struct field *
field_find(const char *var)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (!strcmp(fields[i].var, var))
			return &fields[i];
	return NULL;
}

void
node_wish_read(const struct form *form, const struct node_bounds *b, struct node_wish *out)
{
	*out = (struct node_wish){ 0 };
	for (const struct form_field *given = form->first; given; given = given->next) {
		const struct field *f = field_find(given->var);

		if (!f) {
			out->unknown = true;
		} else if (!read_field(f, given, b, &out->value)) {
			out->impossible = true;
			out->bad_access |= f->choices == accesses;
		} else if (f->kind != FIXED) {
			out->given |= (uint64_t)1 << (f - fields);
		}
	}
}

/* Comparing and applying */

static bool
has_text(const struct node_list *l, const char *text)
{
	for (unsigned i = 0; i < l->n; i++)
		if (!strcmp(l->item[i], text))
			return true;
	return false;
}

/* As sets. */
static bool
is_same_list(const struct node_list *a, const struct node_list *b)
{
	for (unsigned i = 0; i < a->n; i++)
		if (!has_text(b, a->item[i]))
			return false;
	for (unsigned i = 0; i < b->n; i++)
		if (!has_text(a, b->item[i]))
			return false;
	return true;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool
is_same(const struct field *f, const struct node_config *a, const struct node_config *b)
{
	const void *x = place(a, f), *y = place(b, f);

	switch (f->kind) {
	case BOOL:
	case STYLE:
		return *(const bool *)x == *(const bool *)y;
	case CHOICE:
		return *(const int *)x == *(const int *)y;
	case ITEMS:
	case SIZE:
	case SECONDS:
		return *(const uint32_t *)x == *(const uint32_t *)y;
	case LIST:
		return is_same_list(x, y);
	case TEXT:
		return is_same_text(*(const char *const *)x, *(const char *const *)y);
	case FIXED:
		break;
	}
	return true;
}

bool
node_config_meets(const struct node_config *c, const struct node_wish *w)
{
	if (w->unknown || w->impossible)
		return false;
	for (size_t i = 0; i < FIELDS; i++)
		if (w->given >> i & 1 && !is_same(&fields[i], c, &w->value))
			return false;
	return true;
}

static void
copy(const struct field *f, struct node_config *to, const struct node_config *from)
{
	static const size_t size[] = {
		[BOOL] = sizeof(bool), [STYLE] = sizeof(bool), [CHOICE] = sizeof(int),
		[ITEMS] = sizeof(uint32_t), [SIZE] = sizeof(uint32_t), [SECONDS] = sizeof(uint32_t), [LIST] = sizeof(struct node_list), [TEXT] = sizeof(char *),
	};

	memcpy(place(to, f), place(from, f), size[f->kind]);
}

void
node_config_apply(struct node_config *c, const struct node_wish *w)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (w->given >> i & 1)
			copy(&fields[i], c, &w->value);
}

/* Writing */

static const char *
count_text(uint32_t n, struct arena *a)
{
	return n ? arena_printf(a, "%" PRIu32, n) : "max";
}

static const char *
choice_name(const struct choice *c, int value)
{
	while (c->name && c->value != value)
		c++;
	return c->name ? c->name : "";
}

static void
write_choice(struct stanza *st, struct elem *x, const struct field *f, bool options, int value)
{
	struct elem *e = form_add(st, x, options ? "list-single" : NULL, f->var, options ? f->label : NULL,
		choice_name(f->choices, value));

	for (const struct choice *c = f->choices; options && c->name; c++)
		form_add_option(st, e, NULL, c->name);
}

static void
write_style(struct stanza *st, struct elem *x, const struct field *f, bool options, bool normal)
{
	struct elem *e = form_add(st, x, options ? "list-single" : NULL, f->var, options ? f->label : NULL,
		normal ? "normal" : "headline");

	if (options) {
		form_add_option(st, e, NULL, "headline");
		form_add_option(st, e, NULL, "normal");
	}
}

/* Of what cannot be otherwise only that which clients like to say. */
static void
write_fixed(struct stanza *st, struct elem *x, const struct field *f, bool options)
{
	struct elem *e = form_add(st, x, options ? "list-single" : NULL, f->var, options ? f->label : NULL, f->fixed);

	if (options)
		form_add_option(st, e, NULL, f->fixed);
}

static void
write_list(struct stanza *st, struct elem *x, const struct field *f, bool options, const struct node_list *l)
{
	struct elem *e = form_add(st, x, options ? "text-multi" : NULL, f->var, options ? f->label : NULL, NULL);

	for (unsigned i = 0; i < l->n; i++)
		form_add_value(st, e, l->item[i]);
}

static void
write_field(struct stanza *st, struct elem *x, const struct field *f, bool options, const struct node_config *c, struct arena *a)
{
	const void *at = place(c, f);
	const char *label = options ? f->label : NULL;

	switch (f->kind) {
	case BOOL:
		form_add(st, x, options ? "boolean" : NULL, f->var, label, *(const bool *)at ? "1" : "0");
		break;
	case CHOICE:
		write_choice(st, x, f, options, *(const int *)at);
		break;
	case STYLE:
		write_style(st, x, f, options, *(const bool *)at);
		break;
	case ITEMS:
	case SIZE:
	case SECONDS:
		form_add(st, x, options ? "text-single" : NULL, f->var, label, count_text(*(const uint32_t *)at, a));
		break;
	case LIST:
		write_list(st, x, f, options, at);
		break;
	case TEXT:
		form_add(st, x, options ? "text-single" : NULL, f->var, label, *(const char *const *)at);
		break;
	case FIXED:
		if (f->label)
			write_fixed(st, x, f, options);
		break;
	}
}

void
node_config_write(struct stanza *st, struct elem *parent, const char *type, const struct node_config *c, struct arena *a)
{
	struct elem *x = form_new(st, parent, type, CONFIG);
	bool options = !strcmp(type, "form");

	for (size_t i = 0; i < FIELDS; i++)
		write_field(st, x, &fields[i], options, c, a);
}

void
node_config_write_metadata(struct stanza *st, struct elem *parent, const struct node_config *c, const char *creator,
	const struct node_list *owners, const char *created, unsigned subscribers, struct arena *a)
{
	struct elem *x = form_new(st, parent, "result", METADATA), *f;
	const struct {
		const char *var, *value;
	} rows[] = {
		{ "pubsub#type", c->type },
		{ "pubsub#creator", creator },
		{ "pubsub#creation_date", created },
		{ "pubsub#title", c->title },
		{ "pubsub#description", c->description },
		{ "pubsub#language", c->language },
		{ "pubsub#access_model", choice_name(accesses, c->access) },
		{ "pubsub#publish_model", choice_name(publishes, c->publish) },
		{ "pubsub#max_items", count_text(c->max_items, a) },
		{ "pubsub#num_subscribers", arena_printf(a, "%u", subscribers) },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].value)
			form_add(st, x, NULL, rows[i].var, NULL, rows[i].value);
	f = form_add(st, x, "jid-multi", "pubsub#owner", NULL, NULL);
	for (unsigned i = 0; i < owners->n; i++)
		form_add_value(st, f, owners->item[i]);
}

/* Subscriptions */

const struct node_options node_options_default = { .deliver = true };

static const struct choice shows[] = { { "away", SHOW_AWAY }, { "chat", SHOW_CHAT }, { "dnd", SHOW_DND }, { "online", SHOW_ONLINE },
	{ "xa", SHOW_XA }, { NULL, 0 } };

unsigned
node_show_of(const char *show)
{
	int bit = 0;

	return !show || !*show ? SHOW_ONLINE : read_choice(shows, show, &bit) ? (unsigned)bit : 0;
}

const char *
node_show_names(unsigned set, struct arena *a)
{
	const char *out = "";

	for (const struct choice *c = shows; c->name; c++)
		if (set & (unsigned)c->value)
			out = arena_printf(a, "%s%s%s", out, *out ? " " : "", c->name);
	return out;
}

static bool
read_shows(const struct form_field *f, unsigned *out)
{
	unsigned set = 0;

	for (unsigned i = 0; i < f->n; i++) {
		unsigned bit = *f->value[i] ? node_show_of(f->value[i]) : 0;

		if (!bit)
			return false;
		set |= bit;
	}
	*out = set;
	return true;
}

/* Digests, bodies and nodes below nodes there are not: who asks for them shall not wait for them. */
static bool
read_option(const struct form_field *f, struct node_options *o)
{
	const char *text = f->n ? f->value[0] : "";
	bool on = false;

	if (!strcmp(f->var, "pubsub#deliver"))
		return read_flag(text, &o->deliver);
	if (!strcmp(f->var, "pubsub#show-values"))
		return read_shows(f, &o->shows);
	if (!strcmp(f->var, "pubsub#digest") || !strcmp(f->var, "pubsub#include_body"))
		return read_flag(text, &on) && !on;
	if (!strcmp(f->var, "pubsub#subscription_type"))
		return !strcmp(text, "items");
	if (!strcmp(f->var, "pubsub#expire")) {
		o->until_us = 0;
		return !*text || (clock_parse(text, &o->until_us) == 0 && o->until_us > clock_wall_us());
	}
	return true;
}

bool
node_options_read(const struct form *form, struct node_options *o)
{
	for (const struct form_field *f = form->first; f; f = f->next)
		if (!read_option(f, o))
			return false;
	return true;
}

void
node_options_write(struct stanza *st, struct elem *parent, const char *type, const struct node_options *o)
{
	bool options = !strcmp(type, "form");
	struct elem *x = form_new(st, parent, type, OPTIONS), *e;
	char until[32];

	form_add(st, x, options ? "boolean" : NULL, "pubsub#deliver", options ? "Events are told" : NULL, o->deliver ? "1" : "0");
	e = form_add(st, x, options ? "list-multi" : NULL, "pubsub#show-values",
		options ? "Only while one of these is shown" : NULL, NULL);
	for (const struct choice *c = shows; c->name; c++)
		if (o->shows & (unsigned)c->value)
			form_add_value(st, e, c->name);
	for (const struct choice *c = shows; options && c->name; c++)
		form_add_option(st, e, NULL, c->name);
	form_add(st, x, options ? "text-single" : NULL, "pubsub#expire", options ? "The subscription ends then" : NULL,
		o->until_us ? clock_format(o->until_us, until) : NULL);
}
