/* web_priv: what the parts of the web share. All on its one reactor. */
#ifndef CORE_WEB_PRIV_H
#define CORE_WEB_PRIV_H

#include <stdbool.h>

#include "base/buf.h"
#include "core/config/config.h"
#include "net/http.h"
#include "net/reactor.h"

#define TYPE_HTML "text/html; charset=utf-8"

/* The settings in force, until the end of the turn. */
const struct config *web_config(void);

/* The thread itself. */
struct reactor *web_reactor(void);

/* Whether a page that may has made the request: one of ours, one of web.origins, or no page at all. Else it has been refused. */
bool web_origin_is_right(struct http_request *r);
/* For answers that pages of web.origins may read (CORS). */
void web_allow_origin(struct http_request *r);
/* "https://example.org:5280", as clients reach us: web.url, or the host that was asked when it is one of ours. */
void web_base(const struct http_request *r, struct buf *out);

/* hostmeta.c (XEP-0156) */
void hostmeta_xml(struct http_request *r);
void hostmeta_json(struct http_request *r);

/* files.c */
void chat_redirect(struct http_request *r);
void chat_file(struct http_request *r);

/* websocket.c */
void websocket_begin(struct http_request *r);

#endif
