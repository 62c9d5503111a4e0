/*
 * dns: the data of SRV, TLSA and address records as whoever answered sent them. What is accepted lies within its bounds: names that can
 * be asked for again, hashes of the right length, addresses of their family. Some records at once are put in order. The first byte
 * chooses.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/federation/find_order.h"
#include "net/dns_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int ok)
{
	if (!ok)
		abort();
}

static void
check_name(const char *name)
{
	size_t label = 0, n = strlen(name);

	must(n < DNS_NAME_MAX);
	for (size_t i = 0; i <= n; i++) {
		char c = name[i];

		if (i == n || c == '.') {
			must(!n || (label > 0 && label <= 63));
			label = 0;
			continue;
		}
		label++;
		must((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_');
	}
}

static void
check_srv(const uint8_t *p, size_t n)
{
	struct dns_srv srv;

	if (!dns_read_srv(p, n, &srv))
		return;
	check_name(srv.target);
	/* Nothing is left over, and nothing was made up. */
	must(n == 6 + strlen(srv.target) + (*srv.target ? 2 : 1));
	must(srv.priority == (p[0] << 8 | p[1]) && srv.port == (p[4] << 8 | p[5]));
}

static void
check_tlsa(const uint8_t *p, size_t n)
{
	struct dns_tlsa t;

	if (!dns_read_tlsa(p, n, &t))
		return;
	must(t.usage <= 3 && t.selector <= 1 && t.matching <= 2);
	must(t.data == p + 3 && t.len == n - 3 && t.len > 0);
	must(!t.matching || t.len == 32u * t.matching);
}

static void
check_address(const uint8_t *p, size_t n)
{
	struct sockaddr_storage at;

	if (!dns_read_address(p, n, 5269, &at))
		return;
	must(at.ss_family == (n == 4 ? AF_INET : AF_INET6));
	must(((struct sockaddr_in *)&at)->sin_port == htons(5269));
}

/* Four bytes a record: all come out once, by priority. */
static void
check_order(const uint8_t *p, size_t n)
{
	struct find_choice c[32] = {0};
	unsigned seen = 0, count = 0;

	for (; n >= 4 && count < 32; n -= 4, p += 4, count++)
		c[count].srv = (struct dns_srv){.priority = p[0], .weight = (uint16_t)(p[1] << 8 | p[2]), .port = (uint16_t)count};
	find_order(c, count);
	for (unsigned i = 0; i < count; i++) {
		must(!(seen & 1u << c[i].srv.port));
		seen |= 1u << c[i].srv.port;
		must(!i || c[i - 1].srv.priority <= c[i].srv.priority);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(const uint8_t *, size_t) = {check_srv, check_tlsa, check_address, check_order};

	if (size > 0)
		checks[data[0] % 4](data + 1, size - 1);
	return 0;
}
