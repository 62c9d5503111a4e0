/* partner_entry: see partner_entry.h. */
#include "admin/federation/partner_entry.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/account/account_name.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/component/component.h"
#include "core/config/config.h"
#include "core/federation/partner.h"
#include "core/federation/partner_hours.h"
#include "core/host.h"
#include "core/service/service.h"
#include "xmpp/jid.h"

#define TEXT_MAX 500
#define RATE_MAX 1000000
#define SECOND_US INT64_C(1000000)
#define DAY_S INT64_C(86400)

static const char *const pass_names[] = {"messages", "presence", "rooms", "files", "calls", "pubsub"};
#define NPASS (sizeof pass_names / sizeof *pass_names)

static const char *const directions[] = {NULL, "in", "out", "both"};
static const char *const trusts[] = {"ca", "pins", "dane"};

/* What arguments are read into. */
struct reading {
	const struct config *config;
	json_t *entry;
	struct err *e;
};

static int
choice(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (names[i] != NULL && name != NULL && strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

/* The domain */

static bool
is_address(const char *domain)
{
	const char *dot = strrchr(domain, '.');

	/* No top-level domain is a number (RFC 3696 §2). */
	return *domain == '[' || (dot != NULL && dot[1] >= '0' && dot[1] <= '9');
}

int
partner_entry_domain(const char *text, char out[PARTNER_DOMAIN], struct err *e)
{
	bool below = strncmp(text, "*.", 2) == 0;
	char domain[1024];

	if (below)
		text += 2;
	if (strpbrk(text, "*@/") != NULL || jid_prepare_domain(text, strlen(text), domain) != 0)
		return err_set(e, 0, "not a domain: expected partner.example, or *.partner.example for all below it");
	if (below && is_address(domain))
		return err_set(e, 0, "nothing is below an address");
	snprintf(out, PARTNER_DOMAIN, "%s%s", below ? "*." : "", domain);
	return 0;
}

int
partner_entry_foreign(const char *domain, struct err *e)
{
	struct jid *j;
	bool ours;

	if (strncmp(domain, "*.", 2) == 0)
		domain += 2;
	j = jid_new(NULL, domain, NULL);
	if (j == NULL)
		return err_set(e, 0, "not a domain: %.250s", domain);
	ours = host_is_local(j) || service_of(j) != NULL || component_is(j);
	jid_unref(j);
	return ours ? err_set(e, 0, "%.250s is a domain of this server", domain) : 0;
}

/* Second labels below which anybody gets a name, in domains of countries; there is no such list in the system (the Public Suffix List is a file
 * of many thousand lines that changes by the week), and these are what most of it comes to. */
static const char *const open_to_all[] = {"ac", "asn", "biz", "co", "com", "edu", "firm", "gen", "go", "gob", "gouv", "gov", "govt", "gv", "id", "ind",
					  "info", "ltd", "me", "mil", "mod", "name", "ne", "net", "nhs", "nic", "nom", "or", "org", "plc", "res", "sch"};

/* Is below it what belongs to nobody in particular: a top-level domain, co.uk? */
static bool
is_public(const char *domain)
{
	const char *dot = strchr(domain, '.');
	size_t n = dot != NULL ? (size_t)(dot - domain) : 0;

	if (dot == NULL)
		return true;
	if (strchr(dot + 1, '.') != NULL || strlen(dot + 1) != 2)
		return false;
	for (size_t i = 0; i < sizeof open_to_all / sizeof *open_to_all; i++)
		if (strlen(open_to_all[i]) == n && memcmp(open_to_all[i], domain, n) == 0)
			return true;
	return false;
}

/* Times */

/* "30d", "12h", "90m", "2w" in seconds; -1. */
static int64_t
read_span(const char *text)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'m', 60}, {'h', 3600}, {'d', DAY_S}, {'w', 7 * DAY_S}};
	size_t n = strlen(text);
	uint64_t v;

	for (size_t i = 0; n > 1 && i < sizeof units / sizeof *units; i++)
		if (text[n - 1] == units[i].unit && text_u64(text, n - 1, 1, 36500, &v))
			return (int64_t)v * units[i].seconds;
	return -1;
}

/* The beginning of a day in local time, `later` days behind it. */
static int
read_date(const char *text, int later, int64_t *us)
{
	struct tm tm = {.tm_isdst = -1};
	char end;
	time_t t;

	if (strlen(text) != 10 || sscanf(text, "%4d-%2d-%2d%c", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &end) != 3 || tm.tm_mon < 1 ||
	    tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	tm.tm_mday += later;
	t = mktime(&tm);
	*us = (int64_t)t * SECOND_US;
	return t > 0 ? 0 : -1;
}

int
partner_entry_since(const char *text, int64_t *us, struct err *e)
{
	int64_t span = read_span(text);

	if (span > 0)
		*us = clock_wall_us() - span * SECOND_US;
	else if (read_date(text, 0, us) != 0 && clock_parse(text, us) != 0)
		return err_set(e, 0, "since when: expected 7d, 2026-01-31, or 2026-01-31T12:00:00Z");
	if (*us < 0)
		*us = 0;
	return 0;
}

/* In microseconds; 0: never. */
static int64_t
expires_us(const json_t *entry)
{
	const char *text = json_string_value(json_object_get(entry, "expires_at"));
	int64_t us;

	return text != NULL && clock_parse(text, &us) == 0 ? us : 0;
}

/* Arguments, one by one */

static int
wrong(struct reading *g, const char *key, const char *expected)
{
	return err_set(g->e, 0, "%s: expected %s", key, expected);
}

static int
set_direction(struct reading *g, const char *key, const json_t *v)
{
	int d = choice(directions, 4, json_string_value(v));

	if (d < 0)
		return wrong(g, key, "in, out or both");
	return json_object_set_new(g->entry, "direction", json_integer(d));
}

/* The others' parts go; those of this one have to come, or be there. */
static int
set_trust(struct reading *g, const char *key, const json_t *v)
{
	int t = choice(trusts, 3, json_string_value(v));

	if (t < 0)
		return wrong(g, key, "ca, pins or dane");
	if (t == CERT_BY_DANE && *g->config->federation.dns_anchors == '\0')
		return err_set(g->e, 0, "DANE needs DNSSEC: federation.dns_anchors names no file of trust anchors");
	if (t != CERT_BY_PIN)
		json_object_set_new(g->entry, "pins", json_array());
	json_object_set_new(g->entry, "ca_pem", json_null());
	return json_object_set_new(g->entry, "trust", json_integer(t));
}

static int
set_ca(struct reading *g, const char *key, const json_t *v)
{
	const char *pem = json_string_value(v);
	struct cert_store *store;

	if (pem == NULL)
		return wrong(g, key, "certificates in PEM");
	if (strlen(pem) > g->config->limits.partner_ca_bytes)
		return err_set(g->e, 0, "the CA's file has more than %llu bytes (limits.partner_ca_bytes)",
			       (unsigned long long)g->config->limits.partner_ca_bytes);
	if (strstr(pem, "PRIVATE KEY") != NULL)
		return err_set(g->e, 0, "the CA's file has a private key in it: it belongs to the CA alone");
	store = cert_store_new(pem, NULL, g->e);
	if (store == NULL)
		return err_prefix(g->e, "the CA's file");
	cert_store_unref(store);
	return json_object_set_new(g->entry, "ca_pem", json_string(pem));
}

static int
set_pins(struct reading *g, const char *key, const json_t *v)
{
	json_t *out = json_array();
	const json_t *item;
	size_t i;

	if (json_array_size(v) > g->config->limits.partner_pins) {
		json_decref(out);
		return err_set(g->e, 0, "more than %llu pins (limits.partner_pins)", (unsigned long long)g->config->limits.partner_pins);
	}
	json_array_foreach(v, i, item) {
		unsigned char pin[CERT_PIN];
		char text[64];

		if (!json_is_string(item) || cert_pin_read(json_string_value(item), pin) != 0) {
			json_decref(out);
			return wrong(g, key, "sha256/ and 44 characters of base64, as `chancery federation test` shows them");
		}
		cert_pin_write(pin, text);
		json_array_append_new(out, json_string(text));
	}
	return json_object_set_new(g->entry, "pins", out);
}

static int
set_dialback(struct reading *g, const char *key, const json_t *v)
{
	if (!json_is_boolean(v))
		return wrong(g, key, "true or false");
	return json_object_set_new(g->entry, "dialback", json_boolean(json_is_true(v)));
}

static int
set_pass(struct reading *g, const char *key, const json_t *v)
{
	unsigned pass = (unsigned)json_integer_value(json_object_get(g->entry, "pass"));
	const char *name;
	json_t *on;

	json_object_foreach((json_t *)(uintptr_t)v, name, on) {
		int bit = choice(pass_names, NPASS, name);

		if (bit < 0 || !json_is_boolean(on))
			return wrong(g, key, "messages, presence, rooms, files, calls or pubsub");
		pass = json_is_true(on) ? pass | 1U << bit : pass & ~(1U << bit);
	}
	return json_object_set_new(g->entry, "pass", json_integer(pass));
}

/* -1: is neither a user of ours nor a group. */
static int
add_who(struct reading *g, json_t *out, const char *text)
{
	struct jid *j;

	if (strncmp(text, "group:", 6) == 0) {
		if (text[6] == '\0' || strlen(text) > TEXT_MAX || strpbrk(text, "\r\n") != NULL)
			return err_set(g->e, 0, "who: group: and the name of a group");
		return json_array_append_new(out, json_string(text));
	}
	j = account_name_parse(g->config, text, g->e);
	if (j == NULL)
		return err_prefix(g->e, "who: %.100s", text);
	json_array_append_new(out, json_string(jid_bare(j)));
	jid_unref(j);
	return 0;
}

static int
set_who(struct reading *g, const char *key, const json_t *v)
{
	json_t *out = json_array();
	const json_t *item;
	size_t i;

	if (json_array_size(v) > g->config->limits.partner_who) {
		json_decref(out);
		return err_set(g->e, 0, "more than %llu users and groups (limits.partner_who)",
			       (unsigned long long)g->config->limits.partner_who);
	}
	json_array_foreach(v, i, item) {
		if (!json_is_string(item) || add_who(g, out, json_string_value(item)) != 0) {
			json_decref(out);
			return json_is_string(item) ? -1 : wrong(g, key, "users and groups");
		}
	}
	return json_object_set_new(g->entry, "who", out);
}

static int
set_rate(struct reading *g, const char *key, const json_t *v)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || n > RATE_MAX)
		return wrong(g, key, "a number from 0 (no bound) to 1000000");
	return json_object_set_new(g->entry, key, json_integer(n));
}

static int
set_hours(struct reading *g, const char *key, const json_t *v)
{
	const char *text = json_string_value(v);
	unsigned char bits[PARTNER_HOURS];

	if (text == NULL || strlen(text) > TEXT_MAX)
		return wrong(g, key, "hours");
	if (strcmp(text, "always") == 0)
		return json_object_set_new(g->entry, "hours", json_null());
	if (partner_hours_read(text, bits, g->e) != 0)
		return -1;
	return json_object_set_new(g->entry, "hours", json_string(text));
}

static int
set_expires(struct reading *g, const char *key, const json_t *v)
{
	const char *text = json_string_value(v);
	int64_t us, span, now = clock_wall_us();
	char at[32];

	if (text != NULL && strcmp(text, "never") == 0)
		return json_object_set_new(g->entry, "expires_at", json_null());
	span = text != NULL ? read_span(text) : -1;
	if (span > 0)
		us = now + span * SECOND_US;
	else if (text == NULL || (read_date(text, 1, &us) != 0 && clock_parse(text, &us) != 0))
		return wrong(g, key, "30d, 2026-01-31 (which is its last day), 2026-01-31T12:00:00Z, or never");
	if (us <= now)
		return err_set(g->e, 0, "%s: that is in the past", key);
	if (us > now + 36525 * DAY_S * SECOND_US)
		return err_set(g->e, 0, "%s: that is more than a hundred years", key);
	return json_object_set_new(g->entry, "expires_at", json_string(clock_format(us, at)));
}

static int
set_text(struct reading *g, const char *key, const json_t *v)
{
	const char *text = json_string_value(v);

	if (text == NULL || strlen(text) > TEXT_MAX || text[strspn(text, " \t")] == '\0')
		return wrong(g, key, "up to 500 bytes of text");
	for (const char *s = text; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return wrong(g, key, "text on one line");
	return json_object_set_new(g->entry, key, json_string(text));
}

/* Is asked for by check(). */
static int
set_force(struct reading *g, const char *key, const json_t *v)
{
	return json_is_boolean(v) ? 0 : wrong(g, key, "true or false");
}

/* In this order: what trust takes away is given behind it. */
static const struct {
	const char *key;
	int (*set)(struct reading *g, const char *key, const json_t *v);
} arguments[] = {
	{"direction", set_direction}, {"trust", set_trust},	  {"ca", set_ca},		  {"pins", set_pins},
	{"dialback", set_dialback},   {"pass", set_pass},	  {"who", set_who},		  {"per_minute", set_rate},
	{"user_per_minute", set_rate}, {"hours", set_hours},	  {"expires", set_expires},	  {"owner", set_text},
	{"reason", set_text},	      {"force", set_force},
};

static int
set_all(struct reading *g, const json_t *args)
{
	size_t known = json_object_get(args, "domain") != NULL ? 1 : 0;

	for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
		const json_t *v = json_object_get(args, arguments[i].key);

		if (v == NULL)
			continue;
		known++;
		if (arguments[i].set(g, arguments[i].key, v) != 0)
			return -1;
	}
	return known == json_object_size(args) ? 0 : err_set(g->e, 0, "wrong arguments: there are some that are not known");
}

/* Is it whole? */
static int
check(struct reading *g, const json_t *was, const json_t *args, const char *domain)
{
	json_int_t trust = json_integer_value(json_object_get(g->entry, "trust"));
	bool own_ca = json_is_string(json_object_get(g->entry, "ca_pem"));
	size_t pins = json_array_size(json_object_get(g->entry, "pins"));

	if (json_object_get(args, "reason") == NULL)
		return err_set(g->e, 0, "a reason is needed (--reason): it is kept with the change");
	if (!json_is_string(json_object_get(g->entry, "owner")))
		return err_set(g->e, 0, "an owner is needed (--owner): who answers for this partner");
	if ((trust == CERT_BY_PIN) != (pins > 0))
		return err_set(g->e, 0, trust == CERT_BY_PIN ? "trust in pins needs one at least" : "pins without trust in pins");
	if (own_ca && trust != CERT_BY_CA)
		return err_set(g->e, 0, "a CA without trust in a CA");
	if (is_address(domain) && trust != CERT_BY_PIN && !own_ca)
		return err_set(g->e, 0, "an address instead of a name needs pins or a CA of its own");
	if (was == NULL && strncmp(domain, "*.", 2) == 0 && is_public(domain + 2) && !json_is_true(json_object_get(args, "force")))
		return err_set(g->e, 0, "anybody can have a name below %.200s: with %.200s everybody there is a partner; name the ones that are meant, "
			       "or say --force if it is really all of them", domain + 2, domain);
	return 0;
}

json_t *
partner_entry_merge(const struct config *c, const char *domain, const json_t *was, const json_t *args, struct err *e)
{
	struct reading g = {.config = c, .e = e};

	if (was != NULL)
		g.entry = json_copy((json_t *)(uintptr_t)was);
	else
		g.entry = json_pack("{s:s, s:i, s:i, s:i, s:n, s:[], s:b, s:[], s:i, s:i, s:n, s:n}", "domain", domain, "direction",
				    PARTNER_BOTH, "pass", PASS_ALL, "trust", CERT_BY_CA, "ca_pem", "pins", "dialback", 0, "who",
				    "per_minute", 0, "user_per_minute", 0, "hours", "expires_at");
	if (set_all(&g, args) == 0 && check(&g, was, args, domain) == 0)
		return g.entry;
	json_decref(g.entry);
	return NULL;
}

/* For people */

json_t *
partner_entry_pass(unsigned pass)
{
	json_t *out = json_array();

	for (size_t i = 0; i < NPASS; i++)
		if (pass & 1U << i)
			json_array_append_new(out, json_string(pass_names[i]));
	return out;
}

static const char *
trust_words(const json_t *entry)
{
	switch (json_integer_value(json_object_get(entry, "trust"))) {
	case CERT_BY_PIN:
		return "pins";
	case CERT_BY_DANE:
		return "DANE";
	default:
		return json_is_string(json_object_get(entry, "ca_pem")) ? "own CA" : "public CA";
	}
}

static json_t *
state_words(const struct config *c, const json_t *entry)
{
	const char *hours = json_string_value(json_object_get(entry, "hours"));
	int64_t now = clock_wall_us(), expires = expires_us(entry);
	unsigned char bits[PARTNER_HOURS];
	struct err ignored;

	if (expires != 0 && expires <= now)
		return json_string("expired");
	if (hours != NULL && (partner_hours_read(hours, bits, &ignored) != 0 || !partner_hours_has(bits, partner_hours_at(now))))
		return json_string("outside its hours");
	if (expires != 0 && expires - (int64_t)c->federation.warn_ms * 1000 <= now)
		return json_sprintf("expires in %lld days", (long long)((expires - now) / SECOND_US / DAY_S));
	return json_string("in force");
}

json_t *
partner_entry_show(const struct config *c, const json_t *entry)
{
	static const char *const same[] = {"pins", "dialback", "who", "per_minute", "user_per_minute", "hours", "owner", "reason"};
	json_int_t direction = json_integer_value(json_object_get(entry, "direction"));
	int64_t expires = expires_us(entry);
	char at[32];
	json_t *out = json_pack("{s:O, s:s, s:o, s:s, s:o}", "domain", json_object_get(entry, "domain"), "direction",
				direction >= 1 && direction <= 3 ? directions[direction] : "none", "state", state_words(c, entry), "trust",
				trust_words(entry), "pass", partner_entry_pass((unsigned)json_integer_value(json_object_get(entry, "pass"))));

	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		json_object_set(out, same[i], json_object_get(entry, same[i]));
	json_object_set_new(out, "expires", expires != 0 ? json_string(clock_format(expires, at)) : json_null());
	return out;
}

json_t *
partner_entry_brief(const json_t *entry)
{
	static const char *const keys[] = {"direction", "pass",		   "trust", "pins",  "dialback", "who",
					   "per_minute", "user_per_minute", "hours", "owner", "reason",	 "expires_at"};
	json_t *out = json_object();

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		json_object_set(out, keys[i], json_object_get(entry, keys[i]));
	json_object_set_new(out, "own_ca", json_boolean(json_is_string(json_object_get(entry, "ca_pem"))));
	return out;
}
