/* sip_settings: the object `network` of a SIP gateway's settings. */
#include "sip_settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sofia-sip/url.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "sip_name.h"
#include "sip_peers.h"

#define TEXT_MAX 1024
#define PASSWORD_MAX 256

enum kind { TEXT, NUMBER, TRUTH, LIST };

static const struct {
	const char *name;
	enum kind kind;
} known[] = {
	{ "address", TEXT }, { "port", NUMBER }, { "tls_port", NUMBER }, { "udp", TRUTH }, { "certificates", TEXT }, { "proxy", TEXT }, { "domain", TEXT },
	{ "user", TEXT }, { "password_file", TEXT }, { "register", TRUTH }, { "peers", LIST }, { "identity", TEXT }, { "typing", TRUTH }, { "reports", TRUTH },
	{ "publish", TRUTH },
};

static const char *const kinds[] = { "text", "a number from 0 to 65535", "true or false", "a list" };

static bool
is_of(const json_t *v, enum kind kind)
{
	switch (kind) {
	case TEXT: return json_is_string(v) && json_string_length(v) > 0 && json_string_length(v) <= TEXT_MAX &&
		strlen(json_string_value(v)) == json_string_length(v);
	case NUMBER: return json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= 65535;
	case TRUTH: return json_is_boolean(v);
	case LIST: return json_is_array(v);
	}
	return false;
}

static int
check_kinds(const json_t *settings, struct err *e)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)settings, name, v) {
		size_t i, n = sizeof(known) / sizeof(known[0]);

		for (i = 0; i < n && strcmp(known[i].name, name) != 0; i++)
			;
		if (i == n)
			return err_set(e, 0, "%s: there is no such setting", name);
		if (!is_of(v, known[i].kind))
			return err_set(e, 0, "%s: %s is expected", name, kinds[known[i].kind]);
	}
	return 0;
}

static char *
text_of(const json_t *settings, const char *name, const char *otherwise)
{
	const char *v = json_string_value(json_object_get(settings, name));

	return v != NULL ? mem_strdup(v) : otherwise != NULL ? mem_strdup(otherwise) : NULL;
}

static unsigned
number_of(const json_t *settings, const char *name, unsigned otherwise)
{
	const json_t *v = json_object_get(settings, name);

	return v != NULL ? (unsigned)json_integer_value(v) : otherwise;
}

static bool
truth_of(const json_t *settings, const char *name, bool otherwise)
{
	const json_t *v = json_object_get(settings, name);

	return v != NULL ? json_is_true(v) : otherwise;
}

/* One line of a file that nobody else may read. */
static int
read_password(struct sip_settings *s, const char *path, struct err *e)
{
	char text[PASSWORD_MAX + 1];
	struct stat st;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_set(e, errno, "password_file %s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) == 0)
		n = read(fd, text, sizeof(text));
	close(fd);
	if (n < 0)
		return err_set(e, 0, "password_file %s: others may read it (chmod 600)", path);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	if (n == 0 || n > PASSWORD_MAX || memchr(text, '\0', (size_t)n) != NULL || memchr(text, '\n', (size_t)n) != NULL)
		return err_set(e, 0, "password_file %s: one line of 1 to %d bytes is expected", path, PASSWORD_MAX);
	s->password = mem_strndup(text, (size_t)n);
	crypt_wipe(text, sizeof(text));
	return 0;
}

static bool
is_address(const char *text)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool
is_uri(const char *text)
{
	char *copy = mem_strdup(text);
	url_t url[1];
	bool good = url_d(url, copy) == 0 && (url->url_type == url_sip || url->url_type == url_sips) && url->url_host != NULL && url->url_host[0] != '\0' &&
		strpbrk(text, "\r\n\t <>\"") == NULL;

	free(copy);
	return good;
}

/* Does what was read make sense together? */
static int
check(const struct sip_settings *s, const json_t *settings, struct err *e)
{
	const char *identity = json_string_value(json_object_get(settings, "identity"));
	char name[SIP_NAME_SIZE];

	if (s->address == NULL || !is_address(s->address))
		return err_set(e, 0, "address: the address to listen on is missing");
	if (s->port == 0 && s->tls_port == 0)
		return err_set(e, 0, "port, tls_port: one of them must not be 0");
	if (s->proxy == NULL || !is_uri(s->proxy))
		return err_set(e, 0, "proxy: a SIP URI is expected: sip:proxy.example.org;transport=tls");
	if (!sip_name_from("a", s->domain, name) || strcmp(sip_name_host(name), s->domain) != 0)
		return err_set(e, 0, "domain: '%s' is not a domain in lower case", s->domain);
	if (s->tls_port != 0 && s->certificates == NULL)
		return err_set(e, 0, "certificates: the folder is missing, without which there is no TLS");
	if ((s->user != NULL) != (s->password != NULL))
		return err_set(e, 0, "user, password_file: one without the other");
	if (identity != NULL && strcmp(identity, "from") != 0 && strcmp(identity, "asserted") != 0)
		return err_set(e, 0, "identity: from or asserted");
	return 0;
}

int
sip_settings_read(struct sip_settings *s, const json_t *settings, const char *host, struct err *e)
{
	const char *file, *identity;

	memset(s, 0, sizeof(*s));
	if (check_kinds(settings, e) < 0)
		return -1;
	file = json_string_value(json_object_get(settings, "password_file"));
	identity = json_string_value(json_object_get(settings, "identity"));
	s->address = text_of(settings, "address", NULL);
	s->port = number_of(settings, "port", 5060);
	s->tls_port = number_of(settings, "tls_port", 0);
	s->udp = truth_of(settings, "udp", true);
	s->certificates = text_of(settings, "certificates", NULL);
	s->proxy = text_of(settings, "proxy", NULL);
	s->domain = text_of(settings, "domain", host);
	s->user = text_of(settings, "user", NULL);
	s->registers = truth_of(settings, "register", false);
	s->identity = identity != NULL && !strcmp(identity, "asserted") ? SIP_IDENTITY_ASSERTED : SIP_IDENTITY_FROM;
	s->typing = truth_of(settings, "typing", true);
	s->reports = truth_of(settings, "reports", false);
	s->publish = truth_of(settings, "publish", false);
	s->peers = sip_peers_read(json_object_get(settings, "peers"), e);
	if (s->peers == NULL || (file != NULL && read_password(s, file, e) < 0) || check(s, settings, e) < 0) {
		sip_settings_fini(s);
		return -1;
	}
	return 0;
}

void
sip_settings_fini(struct sip_settings *s)
{
	free(s->address);
	free(s->certificates);
	free(s->proxy);
	free(s->domain);
	free(s->user);
	if (s->password != NULL)
		crypt_wipe(s->password, strlen(s->password));
	free(s->password);
	sip_peers_free(s->peers);
	memset(s, 0, sizeof(*s));
}
