#include "gateway/file.h"

#include "gateway/gateway.h"
#include "gateway/priv.h"

/* Files are not carried yet: the person is told of each, and where it is. */
void
files_write(struct gateway *g, struct buf *b, const struct gateway_incoming *in)
{
	(void)g;
	for (unsigned i = 0; i < in->nfiles; i++) {
		const struct gateway_file *f = &in->files[i];

		buf_adds(b, i || in->body ? "\n[file: " : "[file: ");
		write_chars(b, f->name ? f->name : "without a name");
		if (f->url) {
			buf_adds(b, ", ");
			write_chars(b, f->url);
		}
		buf_adds(b, "]");
	}
}
