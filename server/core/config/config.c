/*
 * config: loading, the snapshot in force, what needs a restart, and the reference page.
 *
 * main loads the first snapshot, admin and SIGHUP later ones; everybody reads. A snapshot never
 * changes once it has been handed out, so only the pointer to the present one needs a lock.
 */
#include "core/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "core/config/config_parse.h"
#include "core/config/config_table.h"

static pthread_mutex_t present_lock = PTHREAD_MUTEX_INITIALIZER;
static struct config *present; /* under present_lock */

/* A conninfo may hold a password. */
static void
wipe_secrets(void *arg)
{
	struct config *c = arg;
	const char *secrets[] = {c->database.conninfo, c->database.owner_conninfo};

	for (size_t i = 0; i < 2; i++)
		if (secrets[i] != NULL && secrets[i][0] != '\0')
			crypt_wipe((char *)(uintptr_t)secrets[i], strlen(secrets[i]));
}

struct config *
config_parse(const char *name, const char *text, size_t n, struct err *e)
{
	struct arena *a = arena_new(8192);
	struct config *c = arena_zalloc(a, sizeof *c);

	c->arena = a;
	c->file = arena_strdup(a, name);
	atomic_init(&c->refs, 1);
	arena_on_free(a, wipe_secrets, c);
	if (config_parse_into(c, text, n, e) != 0) {
		config_unref(c);
		return NULL;
	}
	return c;
}

/* Reads at most one byte more than is allowed, so that config_parse sees that it was too much. */
static int
read_file(const char *file, struct buf *out, struct err *e)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return err_set(e, errno, "%s: %s", file, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, EINVAL, "%s: not a regular file", file);
	}
	buf_reserve(out, CONFIG_TEXT_MAX + 1);
	while (buf_len(out) <= CONFIG_TEXT_MAX) {
		n = read(fd, out->data + out->len, CONFIG_TEXT_MAX + 1 - buf_len(out));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_added(out, (size_t)n);
	}
	if (n < 0)
		err_set(e, errno, "%s: %s", file, strerror(errno));
	close(fd);
	return n < 0 ? -1 : 0;
}

/* The daemon may change its folder later; names in the settings must go on meaning the same. */
static char *
absolute(const char *file)
{
	char *cwd, *out;

	if (file[0] == '/' || (cwd = getcwd(NULL, 0)) == NULL)
		return mem_strdup(file);
	if (asprintf(&out, "%s/%s", cwd, file) < 0)
		out = mem_strdup(file);
	free(cwd);
	return out;
}

struct config *
config_load(const char *file, struct err *e)
{
	struct buf text = {0};
	struct config *c = NULL;
	char *name = absolute(file);

	if (read_file(name, &text, e) == 0)
		c = config_parse(name, buf_data(&text), buf_len(&text), e);
	if (text.data != NULL)
		crypt_wipe(text.data, text.cap);
	buf_fini(&text);
	free(name);
	return c;
}

struct config *
config_ref(struct config *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void
config_unref(struct config *c)
{
	if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		arena_free(c->arena);
}

struct config *
config_get(void)
{
	struct config *c;

	pthread_mutex_lock(&present_lock);
	c = present != NULL ? config_ref(present) : NULL;
	pthread_mutex_unlock(&present_lock);
	return c;
}

void
config_set(struct config *c)
{
	struct config *old;

	pthread_mutex_lock(&present_lock);
	old = present;
	present = c;
	pthread_mutex_unlock(&present_lock);
	config_unref(old);
}

/* Certificates are read again by a reload; which domains there are is settled at start. */
static bool
hosts_equal(const struct config *a, const struct config *b)
{
	if (a->nhosts != b->nhosts)
		return false;
	for (size_t i = 0; i < a->nhosts; i++)
		if (strcmp(a->hosts[i].domain, b->hosts[i].domain) != 0)
			return false;
	return true;
}

unsigned
config_needs_restart(const struct config *old, const struct config *new_, struct buf *out)
{
	unsigned n = 0;

	if (!hosts_equal(old, new_)) {
		buf_adds(out, "hosts");
		n++;
	}
	for (size_t i = 0; i < config_nrows; i++) {
		const struct config_row *row = &config_rows[i];

		if (!config_row_is_fixed(row) || config_row_equal(old, new_, row))
			continue;
		buf_addf(out, "%s%s", n == 0 ? "" : " ", row->path);
		n++;
	}
	return n;
}

static void
hosts_text(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < c->nhosts; i++)
		buf_addf(out, "%s%s %s %s", i > 0 ? ", " : "", c->hosts[i].domain, c->hosts[i].certificate, c->hosts[i].key);
}

static void
tell(const struct buf *old, const struct buf *new_, const char *path, bool secret, config_value_fn fn, void *arg)
{
	if (strcmp(buf_data(old), buf_data(new_)) != 0)
		fn(arg, path, secret ? NULL : buf_data(old), secret ? NULL : buf_data(new_));
}

void
config_each_change(const struct config *old, const struct config *new_, config_value_fn fn, void *arg)
{
	struct buf a = {0}, b = {0};

	if (old != NULL)
		hosts_text(old, &a);
	hosts_text(new_, &b);
	(void)buf_str(&a);
	(void)buf_str(&b);
	tell(&a, &b, "hosts", false, fn, arg);
	for (size_t i = 0; i < config_nrows; i++) {
		const struct config_row *row = &config_rows[i];

		buf_clear(&a);
		buf_clear(&b);
		if (old != NULL)
			config_row_text(old, row, &a);
		else
			buf_adds(&a, row->def);
		config_row_text(new_, row, &b);
		(void)buf_str(&a);
		(void)buf_str(&b);
		tell(&a, &b, row->path, row->secret, fn, arg);
	}
	crypt_wipe(a.data, a.cap);
	crypt_wipe(b.data, b.cap);
	buf_fini(&a);
	buf_fini(&b);
}

static const struct {
	const char *name, *about;
} sections[] = {
	{"listen", "Where the server waits for others."},
	{"process", "The server's process."},
	{"database", "PostgreSQL."},
	{"archive", "The record: every message is committed before it is delivered."},
	{"auth", "Accounts and passwords."},
	{"stream", "Connections of clients."},
	{"components", "External services on domains of their own (XEP-0114): gateways, push services."},
	{"gateways", "Public networks (`chancery gateway`)."},
	{"federation", "Other servers: only those that an administrator has allowed."},
	{"files", "Files on every path: scanned, kept, quarantined."},
	{"push", "Notifications for clients that are away (XEP-0357)."},
	{"compliance", "Search, export, holds and retention: who may, and with whom. See deploy/compliance.md."},
	{"web", "What browsers are served over `listen.https`."},
	{"siem", "Somebody else's log, which is told who did what here."},
	{"log", "Events, on standard error."},
	{"modules", "What the server tells."},
	{"contact", "Whom to turn to: told to clients and other servers."},
	{"external", "Services beside XMPP that clients are told of."},
	{"policy", "What users are told of the data that is kept."},
	{"encryption", "Whether users may encrypt from end to end."},
	{"register", "What users may do to their own accounts, and who may register one (XEP-0077)."},
	{"pubsub", "The publish-subscribe service (XEP-0060)."},
	{"invite", "Links by which somebody becomes a contact, or registers an account (XEP-0401)."},
	{"rooms", "Rooms (XEP-0045)."},
	{"limits", "Bounds on what others may send or make the server keep. Sizes are in bytes."},
};

static void
print_row(struct buf *out, const struct config_row *row)
{
	buf_addf(out, "| `%s` | ", strchr(row->path, '.') + 1);
	config_row_expect(row, out);
	buf_adds(out, " | ");
	if (config_row_is_list(row) && row->def[0] == '\0') {
		buf_adds(out, "`[]`");
	} else if (config_row_is_list(row)) {
		buf_adds(out, "`[\"");
		for (const char *s = row->def; *s != '\0'; s++)
			buf_adds(out, *s == ' ' ? "\", \"" : (char[]){*s, '\0'});
		buf_adds(out, "\"]`");
	} else if (row->required && row->def[0] == '\0') {
		buf_adds(out, "must be given");
	} else {
		buf_addf(out, "%s%s%s", row->def[0] ? "`" : "", row->def[0] ? row->def : "empty",
			 row->def[0] ? "`" : "");
	}
	buf_addf(out, " | %s | %s |\n", config_row_is_fixed(row) ? "restart" : "reload", row->help);
}

static const char reference_head[] =
	"# Settings\n"
	"\n"
	"One YAML file. This page is printed by `chanceryd --print-settings`, from the table that reads the\n"
	"file. A setting that is not named here, a wrong type, a value out of range and a setting given\n"
	"twice are refused, with file, line and column; `chancery config check FILE` tells beforehand.\n"
	"\n"
	"Durations are written `500ms`, `20s`, `10m`, `2h`, `1d`; sizes are plain numbers or `64k`, `1m`, `1g`\n"
	"(powers of 1024). File names are relative to the folder of the settings file. The fourth column\n"
	"says what it takes to change a setting: `chancery config reload` (or SIGHUP), or a restart.\n"
	"\n"
	"## hosts\n"
	"\n"
	"The domains served, one at least. The first one's certificate is shown to clients that name none.\n"
	"\n"
	"    hosts:\n"
	"      - domain: example.org\n"
	"        certificate: example.org.pem\n"
	"        key: example.org.key\n"
	"\n"
	"| name | expected | default | change | meaning |\n"
	"| --- | --- | --- | --- | --- |\n"
	"| `domain` | a domain name | must be given | restart | The part of an address behind the @ |\n"
	"| `certificate` | a file name | must be given | reload | PEM: the certificate, then its chain |\n"
	"| `key` | a file name | must be given | reload | PEM: the private key |\n";

void
config_reference(struct buf *out)
{
	buf_adds(out, reference_head);
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		size_t n = strlen(sections[i].name);

		buf_addf(out, "\n## %s\n\n%s\n\n", sections[i].name, sections[i].about);
		buf_adds(out, "| name | expected | default | change | meaning |\n"
			      "| --- | --- | --- | --- | --- |\n");
		for (size_t k = 0; k < config_nrows; k++)
			if (strncmp(config_rows[k].path, sections[i].name, n) == 0 &&
			    config_rows[k].path[n] == '.')
				print_row(out, &config_rows[k]);
	}
}
