#include "gateway/file.h"

#include <string.h>

#include "gateway/gateway.h"
#include "gateway/priv.h"
#include "gateway/text.h"

/* A stanza with all of it is one that chanceryd takes. */
#define SHOWN 25
#define NAME_BYTES 255
#define URL_BYTES 2048
#define WHY_BYTES 400

/* The person is told of each: why it was not let through; or where it is, when nothing is carried (without an upload service). */
void
files_write(struct gateway *g, struct buf *b, const struct gateway_incoming *in)
{
	(void)g;
	for (unsigned i = 0; i < in->nfiles && i < SHOWN; i++) {
		const struct gateway_file *f = &in->files[i];
		const char *name = f->name ? f->name : "without a name";

		buf_adds(b, i || in->body ? "\n[file: " : "[file: ");
		gateway_text_add(b, name, strlen(name), NAME_BYTES);
		if (f->refused) {
			buf_adds(b, " was not let through: ");
			gateway_text_add(b, f->refused, strlen(f->refused), WHY_BYTES);
		} else if (f->url) {
			buf_adds(b, ", ");
			gateway_text_add(b, f->url, strlen(f->url), URL_BYTES);
		}
		buf_adds(b, "]");
	}
	if (in->nfiles > SHOWN)
		buf_addf(b, "\n[%u more files]", in->nfiles - SHOWN);
}
