/*
 * upload_priv: what the parts of HTTP File Upload (XEP-0363) share: upload (addresses, CORS), upload_put, upload_get, upload_keep (retention).
 * All on the web's reactor.
 */
#ifndef CORE_WEB_UPLOAD_PRIV_H
#define CORE_WEB_UPLOAD_PRIV_H

#include "core/web/web_priv.h"
#include "store/pool.h"
#include "store/upload.h"

#define UPLOAD_PATH "/upload/"

/* The name in an address that begins with UPLOAD_PATH, and its token; NULL: it is none of ours. */
const char *upload_parse(const char *path, char token[UPLOAD_TOKEN + 1]);
/* What every answer says: pages of any host may ask (§8), and nothing here is a page. */
void upload_fields(struct http_request *r);
/* Does a browser show this by itself, where it can do nothing? */
bool upload_is_harmless(const char *true_type);
/* The type that is said of a content, by its true one and the one declared (NULL: none): borrowed, or static. */
const char *upload_type(const char *true_type, const char *declared);
/* An answer in words. */
void upload_refuse(struct http_request *r, int status, const char *text);

/* Anybody may ask for any address, and each costs a look into the database: limits.file_lookups. */
bool upload_may_look(void);
/* One is under way; it is over. */
void upload_looks(void);
void upload_looked(void);

void upload_put_begin(struct http_request *r);
void upload_put_body(struct http_request *r, const char *p, size_t n);
void upload_put_complete(struct http_request *r);
void upload_put_gone(struct http_request *r);

void upload_get_begin(struct http_request *r);
void upload_get_gone(struct http_request *r);
/* Writes what has been fetched and is not in the database yet: at the end, too. */
void upload_get_flush(void);
void upload_get_stop(void);

/* From now and then to http_stop: what is over goes. */
void upload_keep_start(void);
void upload_keep_stop(void);

#endif
