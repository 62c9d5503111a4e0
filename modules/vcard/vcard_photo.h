/*
 * vcard_photo: the picture in a vCard's <PHOTO/> (XEP-0153 §4).
 */
#ifndef VCARD_PHOTO_H
#define VCARD_PHOTO_H

#include "base/arena.h"
#include "xmpp/stanza.h"

enum vcard_photo_is {
	VCARD_PHOTO_NONE, /* no <PHOTO/>, or without a picture in it: <EXTVAL/>, an empty <BINVAL/> */
	VCARD_PHOTO_GOOD,
	VCARD_PHOTO_BAD,  /* not base64 */
};

struct vcard_photo {
	const struct elem *photo; /* the <PHOTO/>; NULL when there is no picture */
	const char *base64;       /* without white space */
	char sha1[41];            /* of the picture; "" when there is none */
};

/* The first picture of a <vCard/>. Memory from `a`. */
enum vcard_photo_is vcard_photo_read(const struct elem *vcard, struct arena *a, struct vcard_photo *out);

#endif
