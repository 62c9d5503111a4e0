/*
 * scram: the first line is the client-first-message, the rest the client-final-message. The
 * byte in front chooses hash and binding. No random proof may ever be accepted with the keys
 * of a secret nobody has.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "xmpp/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct scram_binding
binding_for(unsigned char choice)
{
	struct scram_binding b = {
		.plus = choice & 4,
		.plus_offered = choice & 8,
		.type_names = {choice & 16 ? "tls-exporter" : NULL, "tls-server-end-point"},
		.data = {"exported", "certificate"},
		.data_len = {8, 11},
		.mechanisms = choice & 32 ? "SCRAM-SHA-256,SCRAM-SHA-1" : NULL,
		.bindings = choice & 64 ? "tls-server-end-point,tls-exporter" : NULL,
	};

	return b;
}

static void
exchange(struct scram *s, enum scram_hash h, const char *first, size_t first_n, const char *last,
	 size_t last_n)
{
	static const uint8_t secret[32] = "a secret of the fuzzer";
	struct scram_keys k;
	const char *sf, *out;

	if (scram_client_first(s, first, first_n) != SCRAM_OK)
		return;
	scram_keys_fake(&k, h, scram_user(s), secret, 10000);
	scram_set_nonce(s, "3rfcNHYJY1ZVvWVs7j");
	sf = scram_server_first(s, &k);
	if (!text_is_utf8(sf, strlen(sf)) || scram_client_final(s, last, last_n, &out) == SCRAM_OK)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *first = (const char *)data + 1, *newline;
	enum scram_hash h;
	struct scram_binding b;
	struct scram *s;
	size_t first_n;

	if (size == 0)
		return 0;
	h = (data[0] & 3) % SCRAM_HASHES;
	b = binding_for(data[0]);
	newline = memchr(first, '\n', size - 1);
	first_n = newline ? (size_t)(newline - first) : size - 1;
	s = scram_new(h, &b);
	exchange(s, h, first, first_n, newline ? newline + 1 : "",
		 newline ? size - 2 - first_n : 0);
	scram_free(s);
	return 0;
}
