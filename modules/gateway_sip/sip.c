/* sip: SIP and SIMPLE as a network: the table of functions. */
#include "sip_network.h"

#include <string.h>

#include "sip.h"

/* There is one gateway in a program. */
static struct sip the_sip;

static int
start(struct gateway *g, const json_t *settings, struct err *err)
{
	struct sip *s = &the_sip;

	memset(s, 0, sizeof(*s));
	s->gateway = g;
	list_init(&s->requests);
	list_init(&s->incoming);
	if (sip_settings_read(&s->set, settings, gateway_host(g), err) < 0)
		return -1;
	if (sip_agent_start(s, err) < 0) {
		sip_settings_fini(&s->set);
		return -1;
	}
	return 0;
}

/* Where it listens stays as it is until the program starts anew. */
static int
change(struct gateway *g, const json_t *settings, struct err *err)
{
	struct sip *s = &the_sip;
	struct sip_settings now, old = s->set;

	if (sip_settings_read(&now, settings, gateway_host(g), err) < 0)
		return -1;
	if (strcmp(now.address, old.address) != 0 || now.port != old.port || now.tls_port != old.tls_port || now.udp != old.udp ||
		strcmp(now.domain, old.domain) != 0 || now.registers != old.registers ||
		strcmp(now.certificates != NULL ? now.certificates : "", old.certificates != NULL ? old.certificates : "") != 0) {
		sip_settings_fini(&now);
		return err_set(err, 0, "address, ports, certificates, domain and register change when the gateway is started anew (disable, enable)");
	}
	s->set = now;
	sip_settings_fini(&old);
	return 0;
}

static void
stop(struct gateway *g)
{
	struct sip *s = &the_sip;

	(void)g;
	sip_out_close(s, NULL);
	sip_in_stop(s);
	sip_request_stop(s);
	sip_agent_stop(s);
	sip_settings_fini(&s->set);
}

static enum network_address
address(struct gateway *g, const char *foreign, char *canonical)
{
	char name[SIP_NAME_SIZE];

	(void)g;
	/* Our own people are reached here, not by way of there. */
	if (!sip_name_check(foreign, name) || !strcmp(sip_name_host(name), the_sip.set.domain))
		return NETWORK_NOBODY;
	memcpy(canonical, name, strlen(name) + 1);
	return NETWORK_PERSON;
}

static void
user_open(struct gateway_user *u, const json_t *login)
{
	(void)login;
	sip_register_open(&the_sip, u);
}

static void
user_close(struct gateway_user *u)
{
	sip_out_close(&the_sip, u);
	sip_watch_close(&the_sip, u);
	sip_publish_close(&the_sip, u);
	sip_register_close(&the_sip, u);
}

static void
send_message(struct gateway_message *m)
{
	sip_out_send(&the_sip, m);
}

static void
forget(struct gateway_message *m)
{
	sip_out_forget(&the_sip, m);
}

/* Who sent it has had 200 for it. Where it was wrapped there is a way to say that it did not arrive; ids of our own making have spaces in them. */
static void
returned(struct gateway_user *u, const char *foreign, const char *foreign_id, enum xerror e, const char *text)
{
	(void)text;
	log_info(NULL, "sip-returned", "from=%s to=%s error=%s", foreign, jid_bare(u->jid), xerror_name(e));
	gateway_count(u->gateway, "sip_returned", 1);
	if (u->up && strchr(foreign_id, ' ') == NULL)
		sip_out_report(&the_sip, u, foreign, foreign_id, false);
}

static void
presence(struct gateway_user *u, enum network_show show, const char *status)
{
	sip_publish_set(&the_sip, u, show, status);
}

static void
subscribe(struct gateway_user *u, const char *foreign, bool on)
{
	sip_watch_set(&the_sip, u, foreign, on);
}

const struct network sip_network = {
	.kind = "sip",
	.about = "SIP",
	.identity = "simple",
	.prompt = "SIP address",
	.features = NETWORK_RECEIPTS | NETWORK_TYPING | NETWORK_PRESENCE | NETWORK_LATE,
	.start = start,
	.change = change,
	.stop = stop,
	.address = address,
	.user_open = user_open,
	.user_close = user_close,
	.send = send_message,
	.forget = forget,
	.returned = returned,
	.presence = presence,
	.subscribe = subscribe,
};
