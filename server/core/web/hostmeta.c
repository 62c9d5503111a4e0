/*
 * hostmeta: where clients find WebSocket and BOSH (XEP-0156 §3), for anybody who asks.
 */
#include "core/web/web_priv.h"

/* "wss" for "https". */
static void
write_href(struct http_request *r, struct buf *out, bool websocket)
{
	struct buf base = { 0 };

	web_base(r, &base);
	if (websocket)
		buf_addf(out, "wss%s/ws", buf_str(&base) + 5);
	else
		buf_addf(out, "%s/http-bind", buf_str(&base));
	buf_fini(&base);
}

static void
answer(struct http_request *r, const char *type, struct buf *text)
{
	/* §3: for pages of any host. */
	http_field(r, "Access-Control-Allow-Origin", "*");
	http_field(r, "Cache-Control", "max-age=3600");
	http_reply(r, 200, type, buf_data(text), buf_len(text));
	buf_fini(text);
}

void
hostmeta_xml(struct http_request *r)
{
	struct buf t = { 0 };

	buf_adds(&t, "<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n"
		"  <Link rel='urn:xmpp:alt-connections:websocket' href='");
	write_href(r, &t, true);
	buf_adds(&t, "'/>\n  <Link rel='urn:xmpp:alt-connections:xbosh' href='");
	write_href(r, &t, false);
	buf_adds(&t, "'/>\n</XRD>\n");
	answer(r, "application/xrd+xml", &t);
}

void
hostmeta_json(struct http_request *r)
{
	struct buf t = { 0 };

	buf_adds(&t, "{\"links\": [\n  {\"rel\": \"urn:xmpp:alt-connections:websocket\", \"href\": \"");
	write_href(r, &t, true);
	buf_adds(&t, "\"},\n  {\"rel\": \"urn:xmpp:alt-connections:xbosh\", \"href\": \"");
	write_href(r, &t, false);
	buf_adds(&t, "\"}\n]}\n");
	answer(r, "application/json", &t);
}
