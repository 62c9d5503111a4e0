/*
 * fuzz_metrics: the head of a request for the metrics page. Whatever it is, the answer is one whole response.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "admin/metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf out = {0};

	metrics_answer((const char *)data, n, &out);
	assert(strncmp(buf_str(&out), "HTTP/1.1 ", 9) == 0);
	assert(strstr(buf_str(&out), "\r\n\r\n") != NULL);
	buf_fini(&out);
	return 0;
}
