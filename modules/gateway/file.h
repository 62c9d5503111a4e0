/*
 * file: what is said of files that come with a message and are not passed on.
 */
#ifndef GATEWAY_FILE_H
#define GATEWAY_FILE_H

#include "base/buf.h"
#include "gateway/gateway.h"

/* Into the body, below the text. */
void files_write(struct gateway *g, struct buf *b, const struct gateway_incoming *in);

#endif
