/*
 * gateway_line: see gateway_line.h.
 */
#include "admin/gateway/gateway_line.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "admin/request/request.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/host.h"

/* Where components connect on this machine. */
static int
add_door(json_t *o, const struct config *c, struct err *e)
{
	for (size_t i = 0; i < c->listen.components.n; i++) {
		const char *a = c->listen.components.item[i], *colon = strrchr(a, ':');
		uint64_t port;

		if (strncmp(a, "unix:", 5) == 0) {
			json_object_set_new(o, "server", json_string(a));
			return 0;
		}
		if (colon == NULL || !text_u64(colon + 1, strlen(colon + 1), 1, 65535, &port))
			continue;
		json_object_set_new(o, "server", *a == '[' ? json_stringn(a + 1, (size_t)(colon - a) - 2) : json_stringn(a, (size_t)(colon - a)));
		json_object_set_new(o, "port", json_integer((json_int_t)port));
		return 0;
	}
	return err_set(e, 0, "components have no door (listen.components)");
}

static const char *
log_level(const struct config *c)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	return names[c->log.level < 4 ? c->log.level : 2];
}

char *
gateway_line_make(const struct gateway *g, const struct config *c, size_t *n, struct err *e)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o?}", "name", g->name, "domain", g->domain, "host", gateway_host(g->domain)->domain, "secret",
		g->secret, "log", log_level(c), "settings", json_loads(g->settings, 0, NULL));
	char *text = NULL, *line = NULL;

	if (add_door(o, c, e) == 0)
		text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (text != NULL) {
		*n = strlen(text) + 1;
		line = mem_alloc(*n + 1);
		memcpy(line, text, *n - 1);
		memcpy(line + *n - 1, "\n", 2);
	}
	request_text_free(text);
	return line;
}

uint64_t
gateway_line_hash(const struct gateway *g)
{
	char text[2048];
	uint64_t hash;
	int n = snprintf(text, sizeof text, "%s\n%s\n%s", g->kind, g->domain, g->secret);

	hash = crypt_hash(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
	crypt_wipe(text, sizeof text);
	return hash;
}
