#include "gateway/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define START_BYTES 1048576
#define SECRET_BYTES 512

/* The whole file; or, of standard input, its first line. NULL: with the reason. Wiped by the caller. */
static char *
read_text(int fd, bool line, size_t max, size_t *len, struct err *err)
{
	char *text = mem_alloc(max + 1);
	size_t n = 0;

	for (;;) {
		/* Of a line not a byte too many: what follows is looked at by others. */
		ssize_t got = read(fd, text + n, line ? 1 : max - n + 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			err_set(err, errno, "cannot be read: %s", strerror(errno));
			break;
		}
		n += (size_t)got;
		if (n > max) {
			err_set(err, 0, "more than %zu bytes", max);
			break;
		}
		if (got == 0 || (line && text[n - 1] == '\n')) {
			text[n] = '\0';
			*len = n;
			return text;
		}
	}
	crypt_wipe(text, max + 1);
	free(text);
	return NULL;
}

static char *
read_secret(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text = NULL;
	size_t n;

	if (fd < 0) {
		err_set(err, errno, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) || (st.st_mode & 077))
		err_set(err, 0, "%s: others may read it (chmod 600)", path);
	else if (!(text = read_text(fd, false, SECRET_BYTES, &n, err)))
		err_prefix(err, "%s", path);
	close(fd);
	if (text)
		while (n && strchr("\r\n \t", text[n - 1]))
			text[--n] = '\0';
	return text;
}

static char *
take(const json_t *o, const char *key, struct err *err)
{
	const char *v = json_string_value(json_object_get(o, key));

	if (!v || !*v) {
		err_set(err, 0, "\"%s\": a text is needed", key);
		return NULL;
	}
	return mem_strdup(v);
}

static int
read_rest(struct gateway_start *s, const json_t *o, struct err *err)
{
	const char *file = json_string_value(json_object_get(o, "secret_file"));
	const char *level = json_string_value(json_object_get(o, "log"));
	json_int_t port = json_integer_value(json_object_get(o, "port"));
	json_t *settings = json_object_get(o, "settings");

	if (!(s->name = take(o, "name", err)) || !(s->domain = take(o, "domain", err)) || !(s->host = take(o, "host", err)) ||
	    !(s->server = take(o, "server", err)) || !(s->secret = file ? read_secret(file, err) : take(o, "secret", err)))
		return -1;
	if (strncmp(s->server, "unix:", 5) && (port < 1 || port > 65535))
		return err_set(err, 0, "\"port\": a number from 1 to 65535 is needed");
	s->port = (uint16_t)port;
	if (level && log_level_parse(level) < 0)
		return err_set(err, 0, "\"log\": error, warning, info or debug");
	log_setup(level ? (enum log_level)log_level_parse(level) : LOG_INFO, LOG_TEXT);
	if (settings && !json_is_object(settings))
		return err_set(err, 0, "\"settings\": an object");
	s->settings = json_incref(settings);
	return 0;
}

int
gateway_start_read(struct gateway_start *s, int argc, char **argv, struct err *err)
{
	json_error_t e;
	json_t *o;
	char *text;
	size_t len;
	int fd = STDIN_FILENO, result;

	*s = (struct gateway_start){ 0 };
	if (argc != 3 || strcmp(argv[1], "--settings"))
		return err_set(err, 0, "usage: %s --settings FILE, or - for a line on standard input", argv[0]);
	s->supervised = !strcmp(argv[2], "-");
	if (!s->supervised && (fd = open(argv[2], O_RDONLY | O_CLOEXEC)) < 0)
		return err_set(err, errno, "%s: %s", argv[2], strerror(errno));
	text = read_text(fd, s->supervised, START_BYTES, &len, err);
	if (!s->supervised)
		close(fd);
	if (!text)
		return err_prefix(err, "%s", argv[2]);
	o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	crypt_wipe(text, len);
	free(text);
	if (!json_is_object(o))
		result = err_set(err, 0, "%s, line %d: %s", argv[2], e.line, o ? "an object is needed" : e.text);
	else
		result = read_rest(s, o, err);
	json_decref(o);
	return result;
}

void
gateway_start_free(struct gateway_start *s)
{
	if (s->secret)
		crypt_wipe(s->secret, strlen(s->secret));
	free(s->name);
	free(s->domain);
	free(s->host);
	free(s->server);
	free(s->secret);
	json_decref(s->settings);
	*s = (struct gateway_start){ 0 };
}

static int
read_modes(struct gateway_settings *s, const json_t *modes, struct err *err)
{
	size_t i;
	json_t *m;

	s->relay = !modes;
	if (modes && !json_is_array(modes))
		return err_set(err, 0, "modes: a list");
	json_array_foreach(modes, i, m) {
		const char *name = json_string_value(m);

		if (name && !strcmp(name, "relay"))
			s->relay = true;
		else if (name && !strcmp(name, "account"))
			s->account = true;
		else
			return err_set(err, 0, "modes: relay, account");
	}
	return 0;
}

/* Where a network's files may be fetched. */
static int
read_reach(struct reach *r, const json_t *networks, const json_t *ports, struct err *err)
{
	size_t i;
	json_t *v;

	if ((networks && !json_is_array(networks)) || (ports && (!json_is_array(ports) || json_array_size(ports) > REACH_MAX)))
		return err_set(err, 0, "fetch_private, fetch_ports: lists of at most %d", REACH_MAX);
	json_array_foreach(networks, i, v)
		if (!json_is_string(v) || !reach_add(r, json_string_value(v)))
			return err_set(err, 0, "fetch_private: networks, 10.0.0.0/8, %d at most", REACH_MAX);
	json_array_foreach(ports, i, v) {
		if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > 65535)
			return err_set(err, 0, "fetch_ports: numbers of ports");
		r->ports[r->nports++] = (unsigned)json_integer_value(v);
	}
	if (!ports)
		r->ports[r->nports++] = 443;
	return 0;
}

static char *
words(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v && *v ? mem_strdup(v) : NULL;
}

int
gateway_settings_read(struct gateway_settings *s, const json_t *o, struct err *err)
{
	struct gateway_settings now = { 0 };
	json_t *network = json_object_get(o, "network");

	if (!json_is_object(o))
		return err_set(err, 0, "settings: an object");
	if (gateway_limits_read(&now.limits, json_object_get(o, "limits"), err) || read_modes(&now, json_object_get(o, "modes"), err) ||
	    read_reach(&now.reach, json_object_get(o, "fetch_private"), json_object_get(o, "fetch_ports"), err))
		return -1;
	if (network && !json_is_object(network))
		return err_set(err, 0, "network: an object");
	now.network = network ? json_incref(network) : json_object();
	now.disclaimer = words(o, "disclaimer");
	now.upload = words(o, "upload");
	now.upload_url = words(o, "upload_url");
	now.upload_at = words(o, "upload_at");
	now.ca_file = words(o, "ca_file");
	gateway_settings_free(s);
	*s = now;
	return 0;
}

void
gateway_settings_free(struct gateway_settings *s)
{
	free(s->disclaimer);
	free(s->upload);
	free(s->upload_url);
	free(s->upload_at);
	free(s->ca_file);
	json_decref(s->network);
	*s = (struct gateway_settings){ 0 };
}
