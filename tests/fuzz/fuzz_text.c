/*
 * Fuzzes base/text, base/clock and base/log with the same bytes: what is accepted must come out
 * the same when written again, and a logged value must stay within its field and line.
 */
#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

static void
check_base64(const char *s, size_t n)
{
	char *raw = malloc(n / 4 * 3 + 1), *again = malloc(text_base64_size(n));
	ssize_t len;

	assert(raw && again);
	len = text_base64_decode(s, n, raw);
	if (len >= 0) {
		assert(text_base64_encode(raw, (size_t)len, again) == n);
		assert(!memcmp(again, s, n));
	}
	text_base64_encode(s, n, again);
	free(raw);
	free(again);
}

static void
check_numbers(const char *s, size_t n)
{
	char out[32], again[32];
	int64_t i, t;
	uint64_t u;

	if (text_u64(s, n, 10, 1000, &u))
		assert(u >= 10 && u <= 1000);
	if (text_i64(s, n, -5, 5, &i))
		assert(i >= -5 && i <= 5);
	/* s is NUL-terminated behind n. */
	if (clock_parse(s, &t) == 0) {
		clock_format(t, out);
		if (out[0] == '-' || strlen(out) != 24)
			return; /* an offset took it out of the years 0001 to 9999 */
		if (clock_parse(out, &i) == 0) {
			clock_format(i, again);
			assert(!strcmp(out, again));
		} else {
			assert(!memcmp(out, "0000", 4));
		}
	}
}

/* What the last event wrote, NUL-terminated. */
static char *
logged(int fd, char *line, size_t room)
{
	ssize_t n = pread(fd, line, room - 1, 0);

	assert(n > 0 && line[n - 1] == '\n');
	line[n] = '\0';
	assert(strlen(line) == (size_t)n && strchr(line, '\n') == line + n - 1);
	assert(text_is_utf8(line, (size_t)n));
	assert(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	return line;
}

static void
check_log(const char *s, size_t n)
{
	static int fd = -1;
	struct log context = {"jid", s, NULL};
	char line[16384];
	json_t *json;

	if (fd < 0)
		fd = memfd_create("log", 0);
	assert(fd >= 0);
	log_set_fd(fd);
	log_setup(LOG_INFO, LOG_TEXT);
	log_info(&context, "e", "a=%.*s b=%d", (int)n, s, 1);
	logged(fd, line, sizeof(line));
	log_setup(LOG_INFO, LOG_JSON);
	log_info(&context, "e", "a=%.*s b=%d", (int)n, s, 1);
	json = json_loads(logged(fd, line, sizeof(line)), JSON_REJECT_DUPLICATES, NULL);
	assert(json);
	/* If it was there in full, it is read back in full. */
	if (text_is_utf8(s, n) && n > 0 && n < 1000 && json_object_get(json, "b"))
		assert(!strcmp(json_string_value(json_object_get(json, "a")), s));
	json_decref(json);
	log_set_fd(STDERR_FILENO);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);
	unsigned char *raw = malloc(size + 1);

	assert(s && raw);
	if (size)
		memcpy(s, data, size);
	s[size] = '\0';
	check_base64(s, size);
	check_numbers(s, size);
	check_log(s, size);
	text_unhex(s, size, raw);
	free(raw);
	free(s);
	return 0;
}
