/*
 * bosh: the body of a request; what it carries, written again, is one complete element each.
 */
#include <assert.h>
#include <stdint.h>

#include "core/web/bosh_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct parser_limits limits = {.stanza_bytes = 65536, .token_bytes = 8192, .memory_bytes = 1 << 20,
						    .depth = 32, .attributes = 32, .namespaces = 32};
	struct bosh_post p;
	unsigned n = 0;

	if (!bosh_post_read(&p, (const char *)data, size, &limits)) {
		assert(p.rid <= BOSH_RID_MAX);
		for (struct elem *e = bosh_post_first(&p); e; e = bosh_post_next(e), n++) {
			struct buf out = {0};
			struct stanza *again;

			bosh_post_payload(&p, e, &out);
			again = parser_one(buf_data(&out), buf_len(&out), NULL, NULL);
			assert(again);
			stanza_unref(again);
			buf_fini(&out);
		}
		assert(n == p.payloads);
	}
	bosh_post_fini(&p);
	return 0;
}
