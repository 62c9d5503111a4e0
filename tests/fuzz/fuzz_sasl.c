/*
 * sasl: a line each for what a client sends: "mechanism text" for <auth/>, anything after '<'
 * is a <response/>'s text. A text that starts with '!' is encoded here, with '|' for NUL, so
 * that the fuzzer gets past the base64. Keys and checks are answered as for accounts that do
 * not exist: nothing may succeed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "xmpp/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
text_of(const char *s)
{
	size_t n = strlen(s);
	char *raw, *out;

	if (*s != '!')
		return mem_strdup(s);
	raw = mem_strdup(s + 1);
	for (char *p = raw; *p; p++) {
		if (*p == '|')
			*p = '\0';
	}
	out = mem_alloc(text_base64_size(n));
	text_base64_encode(raw, n - 1, out);
	free(raw);
	return out;
}

static enum sasl_step
send_line(struct sasl *s, char *line, const char **out)
{
	char *space = strchr(line, ' '), *text;
	enum sasl_step step;

	if (*line == '<') {
		text = text_of(line + 1);
		step = sasl_response(s, text, out);
	} else {
		if (space)
			*space = '\0';
		text = text_of(space ? space + 1 : "");
		step = sasl_auth(s, line, text, out);
	}
	free(text);
	return step;
}

static void
answer(struct sasl *s, enum sasl_step step)
{
	static const uint8_t secret[32] = "a secret of the fuzzer";
	struct scram_keys k;
	const char *out;
	size_t n;

	switch (step) {
	case SASL_NEED_KEYS:
		scram_keys_fake(&k, sasl_hash(sasl_chosen(s)), sasl_user(s), secret, 10000);
		if (sasl_keys(s, &k, false, &out) != SASL_SEND || !*out)
			abort();
		break;
	case SASL_NEED_CHECK:
		if (!sasl_user(s) || !sasl_password(s, &n) ||
		    sasl_checked(s, false, 0, &out) != SASL_FAIL)
			abort();
		break;
	case SASL_NEED_TOKEN:
		if (!sasl_user(s) || sasl_proof_matches(sasl_proof(s), "a token", 7) ||
		    sasl_token(s, "a token", 7, SASL_NOT_AUTHORIZED, &out) != SASL_FAIL)
			abort();
		break;
	case SASL_SUCCESS:
		abort();
	case SASL_SEND:
	case SASL_FAIL:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scram_binding b = {
		.type_names = {"tls-exporter", "tls-server-end-point"},
		.data = {"exported", "certificate"},
		.data_len = {8, 11},
		.mechanisms = "PLAIN,SCRAM-SHA-256",
	};
	const sasl_set tokens = 1u << SASL_HT_SHA256_EXPR | 1u << SASL_HT_SHA256_ENDP | 1u << SASL_HT_SHA256_NONE;
	struct sasl *s;
	char *text, *save = NULL;
	const char *out;

	if (size == 0)
		return 0;
	/* The mechanisms with tokens together are one bit more. */
	s = sasl_new(data[0] & 0x80 ? data[0] | tokens : data[0] & 0x7f, &b, "example.com");
	text = mem_strndup((const char *)data + 1, size - 1);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		answer(s, send_line(s, line, &out));
	free(text);
	sasl_free(s);
	return 0;
}
