/*
 * upload: files put and fetched over HTTPS (XEP-0363), below /upload/. The slots are given by modules/upload.
 *
 * What is put streams into a spool, is judged (core/file/judge) and kept; only then the answer is 201, and only then anybody can fetch it.
 */
#ifndef CORE_UPLOAD_H
#define CORE_UPLOAD_H

#include "net/http.h"

#define UPLOAD_METHODS (1U << HTTP_GET | 1U << HTTP_PUT | 1U << HTTP_OPTIONS)

void upload_begin(struct http_request *r);
void upload_body(struct http_request *r, const char *p, size_t n);
void upload_complete(struct http_request *r);
void upload_gone(struct http_request *r);
void upload_start(void);
/* No further request is read. */
void upload_quiet(void);
/* When no request is left. */
void upload_stop(void);

#endif
