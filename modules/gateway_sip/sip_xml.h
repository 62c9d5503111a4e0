/*
 * sip_xml: the small documents that SIP messages carry (presence, notifications of typing and of delivery): read element by element, and the text of our own
 * escaped. Nothing of a document is kept here.
 */
#ifndef GATEWAY_SIP_SIP_XML_H
#define GATEWAY_SIP_SIP_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* How deep elements are, and how much of an element's own text is told; a document that is deeper is refused, longer text is cut. */
#define SIP_XML_DEPTH 16
#define SIP_XML_TEXT 1024

/* At an element's end. Names are `namespace local`; parent is "" for the root; text is its own, without white space around it. */
typedef void (*sip_xml_fn)(void *arg, const char *parent, const char *name, const char *text);

/* False: not well-formed, not UTF-8, too deep, or with a document type (RFC 6120 §11.1 says why). What was told before that is to be forgotten. */
bool sip_xml_read(const char *p, size_t n, sip_xml_fn fn, void *arg);
void sip_xml_escape(struct buf *out, const char *text);

#endif
