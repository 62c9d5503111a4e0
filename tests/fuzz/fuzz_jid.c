/*
 * jid: whatever is accepted must be accepted again and stay the same; parts must fit together.
 * The first byte chooses what the rest is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "xmpp/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int ok)
{
	if (!ok)
		abort();
}

static void
check_whole(const char *s, size_t n)
{
	struct jid *j = jid_parse(s, n), *again, *bare;

	if (!j)
		return;
	must(text_is_utf8(jid_full(j), jid_full_len(j)) && strlen(jid_full(j)) == jid_full_len(j));
	must(jid_full_len(j) <= 3071 && strlen(jid_bare(j)) == jid_bare_len(j));
	again = jid_parse(jid_full(j), jid_full_len(j));
	must(again && jid_equal(j, again));
	jid_unref(again);
	again = jid_new(jid_local(j), jid_domain(j), jid_resource(j));
	must(again && jid_equal(j, again));
	jid_unref(again);
	bare = jid_to_bare(j);
	must(jid_is_bare(bare) && jid_equal_bare(bare, j) && jid_hash(bare) == jid_hash(j));
	jid_unref(bare);
	jid_unref(j);
}

static void
check_part(int (*prepare)(const char *s, size_t n, char out[1024]), const char *s, size_t n)
{
	char once[1024], twice[1024];

	if (prepare(s, n, once))
		return;
	must(prepare(once, strlen(once), twice) == 0 && strcmp(once, twice) == 0);
}

static void
check_password(const char *s, size_t n)
{
	char *once = malloc(4 * n + 1), twice[16400];

	if (jid_prepare_password(s, n, once, 4 * n + 1) == 0 && strlen(once) <= 4092)
		must(jid_prepare_password(once, strlen(once), twice, sizeof(twice)) == 0 &&
		     strcmp(once, twice) == 0);
	free(once);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data + 1;

	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'l':
		check_part(jid_prepare_local, s, size - 1);
		break;
	case 'd':
		check_part(jid_prepare_domain, s, size - 1);
		break;
	case 'r':
		check_part(jid_prepare_resource, s, size - 1);
		break;
	case 'p':
		check_password(s, size - 1);
		break;
	default:
		check_whole(s, size - 1);
	}
	return 0;
}
