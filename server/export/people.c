/*
 * people: see people.h.
 */
#include "export/people.h"

#include "export/transcript.h"

int
people_add(struct mail *m, const struct export_group *g, struct conversation *c, struct arena *a, struct buf *list, struct err *e)
{
	const struct conversation_counts *n = conversation_counts(c);
	const struct conversation_person *p;
	bool from = false;

	if (conversation_rewind(c, e))
		return -1;
	/* A room is whom it was said to. */
	if (g->place == EXPORT_ROOM && *g->conversation)
		mail_add_to(m, NULL, mail_address(a, g->conversation));
	for (size_t i = 0; i < PEOPLE_NAMED; i++) {
		if (conversation_next(c, &p, e))
			return -1;
		if (!p)
			break;
		if (!from && p->sent)
			mail_set_from(m, p->name, mail_address(a, p->bare));
		else
			mail_add_to(m, p->name, mail_address(a, p->bare));
		from = from || p->sent;
		transcript_person(list, p);
	}
	if (!from)
		mail_set_from(m, "(erased)", "erased@chancery.invalid");
	if (!n->people)
		buf_adds(list, "    (erased)\n");
	if (n->people > PEOPLE_NAMED)
		buf_addf(list, "    and %llu more\n", (unsigned long long)(n->people - PEOPLE_NAMED));
	buf_addc(list, '\n');
	return 0;
}
