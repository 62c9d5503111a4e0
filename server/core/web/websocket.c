/*
 * websocket: the handshake at /ws (RFC 6455 §4.2, RFC 7395 §3.1), after which the connection goes to a home.
 *
 * No extension is agreed on, so nothing is ever compressed.
 */
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/stream/c2s.h"
#include "core/web/web_priv.h"
#include "net/ws.h"

static bool
key_is_right(const char *key)
{
	char bytes[32];

	return key && strlen(key) == 24 && text_base64_decode(key, 24, bytes) == 16;
}

static void
refuse(struct http_request *r, int status, const char *why)
{
	metric_add(METRIC_WEBSOCKET_ERRORS, 1);
	log_info(http_log(r), "websocket-refused", "why=%s", why);
	http_refuse(r, status);
}

/* False: it has been refused. */
static bool
is_handshake(struct http_request *r)
{
	const struct http_head *h = http_head_of(r);

	if (!web_origin_is_right(r))
		return false;
	if (h->old || h->method != HTTP_GET || !http_head_lists(h, "upgrade", "websocket") ||
	    !http_head_lists(h, "connection", "upgrade")) {
		http_field(r, "Upgrade", "websocket");
		refuse(r, 426, "not an upgrade");
	} else if (!http_head_lists(h, "sec-websocket-version", "13")) {
		http_field(r, "Sec-WebSocket-Version", "13");
		refuse(r, 426, "version");
	} else if (!key_is_right(http_head_get(h, "sec-websocket-key"))) {
		refuse(r, 400, "key");
	} else if (!http_head_lists(h, "sec-websocket-protocol", "xmpp")) {
		refuse(r, 400, "subprotocol");
	} else {
		return true;
	}
	return false;
}

void
websocket_begin(struct http_request *r)
{
	static _Thread_local unsigned next;
	char answer[29];
	struct conn *conn;

	if (!is_handshake(r))
		return;
	ws_accept(http_head_get(http_head_of(r), "sec-websocket-key"), answer);
	http_field(r, "Sec-WebSocket-Accept", answer);
	http_field(r, "Sec-WebSocket-Protocol", "xmpp");
	conn = http_upgrade(r, "websocket");
	if (!conn)
		refuse(r, 400, "other requests before it");
	else
		conn_move(conn, reactor_at(next++ % reactor_count()), c2s_accept_websocket);
}
