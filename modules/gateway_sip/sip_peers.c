/* sip_peers: the addresses from which requests are taken. A file of its own, as net/network.h and gateway/network.h mean different things by the word. */
#include "sip_peers.h"

#include <stdlib.h>

#include "base/mem.h"
#include "net/network.h"

#define PEERS_MAX 256

struct sip_peers {
	size_t n;
	struct network networks[];
};

struct sip_peers *
sip_peers_read(const json_t *list, struct err *e)
{
	size_t n = json_array_size(list);
	struct sip_peers *p;

	if ((list != NULL && !json_is_array(list)) || n > PEERS_MAX) {
		err_set(e, 0, "peers: a list of at most %d addresses", PEERS_MAX);
		return NULL;
	}
	p = mem_zalloc(sizeof(*p) + n * sizeof(p->networks[0]));
	for (p->n = 0; p->n < n; p->n++) {
		const char *text = json_string_value(json_array_get(list, p->n));

		if (text == NULL || !network_parse(text, &p->networks[p->n])) {
			err_set(e, 0, "peers: '%s' is neither an address nor a network", text != NULL ? text : "?");
			free(p);
			return NULL;
		}
	}
	return p;
}

void
sip_peers_free(struct sip_peers *p)
{
	free(p);
}

bool
sip_peers_have(const struct sip_peers *p, const struct sockaddr *sa)
{
	for (size_t i = 0; i < p->n; i++)
		if (network_has(&p->networks[i], sa))
			return true;
	return false;
}
