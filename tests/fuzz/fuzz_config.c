/*
 * fuzz_config: a settings file. Either refused with a position, or a snapshot that keeps its promises.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = {0};
	struct config *c = config_parse("/etc/f.yaml", (const char *)data, n, &e);

	if (c == NULL) {
		assert(strncmp(e.text, "/etc/f.yaml:", 12) == 0);
		return 0;
	}
	assert(c->nhosts > 0 && c->hosts[0].domain != NULL && c->hosts[0].key != NULL);
	assert(c->database.conninfo[0] != '\0');
	assert(c->auth.iterations >= 10000);
	assert(c->limits.xml_depth >= 8 && c->limits.xml_depth <= 1024);
	config_unref(c);
	return 0;
}
