/* sip_pidf: presence documents. */
#include "sip_pidf.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sip_xml.h"

#define PIDF "urn:ietf:params:xml:ns:pidf"
#define DATA_MODEL "urn:ietf:params:xml:ns:pidf:data-model"
#define RPID "urn:ietf:params:xml:ns:pidf:rpid"

/* What they do, as RPID names it, and what that is in XMPP; the first is the one that we write. */
static const struct {
	const char *activity, *show;
} activities[] = {
	{ "away", "away" },
	{ "busy", "dnd" },
	{ "on-the-phone", "dnd" },
	{ "meeting", "dnd" },
	{ "permanent-absence", "xa" },
	{ "vacation", "xa" },
	{ "sleeping", "xa" },
	{ "meal", "away" },
};

struct reading {
	struct sip_pidf *d;
	bool is_pidf;
};

static void
take_show(struct sip_pidf *d, const char *show)
{
	static const char *const known[] = { "away", "chat", "dnd", "xa" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(show, known[i]))
			(void)snprintf(d->show, sizeof(d->show), "%s", show);
}

/* Not in the middle of a character. */
void
sip_pidf_set_note(struct sip_pidf *d, const char *note)
{
	size_t n = strlen(note);

	if (n >= sizeof(d->note))
		for (n = sizeof(d->note) - 1; n > 0 && ((unsigned char)note[n] & 0xc0) == 0x80; n--)
			;
	memcpy(d->note, note, n);
	d->note[n] = '\0';
}

static void
on_element(void *arg, const char *parent, const char *name, const char *text)
{
	struct reading *r = arg;

	if (parent[0] == '\0')
		r->is_pidf = !strcmp(name, PIDF " presence");
	else if (!strcmp(name, PIDF " basic") && !strcmp(parent, PIDF " status"))
		r->d->open |= !strcmp(text, "open");
	else if (!strcmp(name, "jabber:client show"))
		take_show(r->d, text);
	else if ((!strcmp(name, PIDF " note") || !strcmp(name, DATA_MODEL " note")) && r->d->note[0] == '\0')
		sip_pidf_set_note(r->d, text);
	else if (!strcmp(parent, RPID " activities") && r->d->show[0] == '\0')
		for (size_t i = 0; i < sizeof(activities) / sizeof(activities[0]); i++)
			if (!strncmp(name, RPID " ", sizeof(RPID)) && !strcmp(name + sizeof(RPID), activities[i].activity))
				take_show(r->d, activities[i].show);
}

bool
sip_pidf_read(struct sip_pidf *d, const char *p, size_t n)
{
	struct reading r = { .d = d };

	memset(d, 0, sizeof(*d));
	return sip_xml_read(p, n, on_element, &r) && r.is_pidf;
}

static const char *
activity_of(const char *show)
{
	for (size_t i = 0; i < sizeof(activities) / sizeof(activities[0]); i++)
		if (!strcmp(activities[i].show, show))
			return activities[i].activity;
	return NULL;
}

void
sip_pidf_write(struct buf *out, const char *entity, const struct sip_pidf *d)
{
	const char *activity = d->open ? activity_of(d->show) : NULL;

	buf_adds(out, "<?xml version='1.0' encoding='UTF-8'?>\n<presence xmlns='" PIDF "' xmlns:dm='" DATA_MODEL "' xmlns:rpid='" RPID "' entity='");
	sip_xml_escape(out, entity);
	buf_addf(out, "'><tuple id='chancery'><status><basic>%s</basic>", d->open ? "open" : "closed");
	if (d->open && d->show[0] != '\0')
		buf_addf(out, "<show xmlns='jabber:client'>%s</show>", d->show);
	buf_adds(out, "</status>");
	if (d->note[0] != '\0') {
		buf_adds(out, "<note>");
		sip_xml_escape(out, d->note);
		buf_adds(out, "</note>");
	}
	buf_adds(out, "</tuple>");
	if (activity != NULL)
		buf_addf(out, "<dm:person id='somebody'><rpid:activities><rpid:%s/></rpid:activities></dm:person>", activity);
	buf_adds(out, "</presence>\n");
}
