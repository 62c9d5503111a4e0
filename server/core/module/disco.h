/*
 * disco: what the server and its accounts offer (XEP-0030), and the server's entity capabilities (XEP-0115).
 */
#ifndef CORE_DISCO_H
#define CORE_DISCO_H

#include "base/buf.h"

/* Registers the IQ handlers; after modules_start. */
void disco_start(void);
/* Frees what was computed; after the reactors. */
void disco_stop(void);
/* <c xmlns='http://jabber.org/protocol/caps' …/> for stream features, by the settings in force on this reactor. */
void disco_write_caps(struct buf *out);

#endif
