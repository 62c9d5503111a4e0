/*
 * sip: what SIP messages carry, as strangers send it: bodies of each type, presence documents, users of URIs. The first byte says which.
 * What is taken is UTF-8 and within its bounds, and what we write of it can be read again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gateway_sip/sip_body.h"
#include "gateway_sip/sip_name.h"
#include "gateway_sip/sip_pidf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_body(const char *type, const char *p, size_t n)
{
	struct sip_body b;

	sip_body_read(&b, type, p, n);
	assert(strlen(b.id) < SIP_BODY_ID_SIZE);
	if (b.kind == SIP_BODY_TEXT)
		assert(buf_len(&b.text) > 0 && text_is_utf8(buf_data(&b.text), buf_len(&b.text)));
	if (b.kind == SIP_BODY_UNSUPPORTED || b.kind == SIP_BODY_BAD)
		assert(b.why != NULL);
	if (b.kind == SIP_BODY_REPORT)
		assert(b.id[0] != '\0');
	sip_body_fini(&b);
}

static void
check_pidf(const char *p, size_t n)
{
	struct sip_pidf d, back;
	struct buf out = { 0 };

	if (!sip_pidf_read(&d, p, n))
		return;
	assert(strlen(d.note) < sizeof(d.note) && text_is_utf8(d.note, strlen(d.note)));
	sip_pidf_write(&out, "sip:a@b", &d);
	assert(sip_pidf_read(&back, buf_data(&out), buf_len(&out)));
	assert(back.open == d.open);
	buf_fini(&out);
}

/* Zero-terminated: a user, and a host behind a space. */
static void
check_name(char *text)
{
	char name[SIP_NAME_SIZE], again[SIP_NAME_SIZE], *host = strchr(text, ' ');
	struct buf uri = { 0 };

	if (host != NULL)
		*host++ = '\0';
	if (!sip_name_from(text, host, name))
		return;
	assert(text_is_utf8(name, strlen(name)) && strpbrk(name, "\r\n") == NULL);
	assert(sip_name_check(name, again) && !strcmp(name, again));
	sip_name_uri(&uri, name);
	/* The same name again. */
	host = strrchr((char *)buf_str(&uri), '@');
	*host++ = '\0';
	assert(sip_name_from(uri.data + strlen("sip:"), host, again) && !strcmp(name, again));
	buf_fini(&uri);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { NULL, "text/plain;charset=iso-8859-1", SIP_BODY_TYPE_CPIM, SIP_BODY_TYPE_TYPING, SIP_BODY_TYPE_REPORT };
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] < '5' && data[0] >= '0')
		check_body(types[data[0] - '0'], text, size - 1);
	else if (data[0] == '5')
		check_pidf(text, size - 1);
	else if (data[0] == '6')
		check_name(text);
	free(text);
	return 0;
}
