/*
 * transcript: see transcript.h.
 */
#include "export/transcript.h"

#include <string.h>

#define INDENT "    "

/* Each line of it behind the indent, and `head` in front of the first. */
static void
add_words(struct buf *out, const char *head, const char *words)
{
	struct buf shown = {0};

	conversation_show(&shown, words, false);
	buf_adds(out, INDENT);
	buf_adds(out, head);
	for (const char *s = buf_str(&shown), *end; *s; s = end) {
		end = s + strcspn(s, "\n");
		buf_add(out, s, (size_t)(end - s));
		if (!*end)
			break;
		buf_adds(out, "\n" INDENT);
		end++;
	}
	buf_addc(out, '\n');
	buf_fini(&shown);
}

static void
add_target(struct buf *out, const struct export_target *t, struct arena *a)
{
	char time[32], *head;

	head = arena_printf(a, "[#%llu of %s] ", (unsigned long long)t->log_index, export_time(t->at_us, time));
	add_words(out, head, t->erased ? "(erased)" : t->body ? t->body : "(without words)");
}

void
transcript_head(struct buf *out, const struct export_group *g, const struct conversation_counts *n)
{
	buf_adds(out, g->place == EXPORT_ROOM ? "What was said and has happened in the room " : "Conversation of ");
	conversation_show(out, *g->conversation ? g->conversation : "(erased)", true);
	buf_addf(out, "\non %s (UTC): %llu records, of which %llu are messages and %llu are erased.\n", g->day, (unsigned long long)n->records,
		 (unsigned long long)n->messages, (unsigned long long)n->erased);
	buf_adds(out, "A number behind # is the place in the log, by which a record is found in proof/records.jsonl.\n"
		      "What is shown as [U+0000] is a character that would not be seen, or would turn others round.\n\nPeople:\n");
}

void
transcript_person(struct buf *out, const struct conversation_person *p)
{
	struct export_person who = { .bare = p->bare, .name = p->name };

	buf_adds(out, INDENT);
	conversation_who(out, &who);
	buf_addf(out, ", %llu sent%s\n", (unsigned long long)p->sent, p->ours ? "" : ", of elsewhere");
}

void
transcript_record(struct buf *out, const struct export_record *r, const struct export_target *t, struct arena *a)
{
	const char *deed = conversation_deed(r, a), *answers = conversation_answers(r);
	char time[32];

	buf_addf(out, "%.8s ", export_time(r->at_us, time) + strlen("2026-01-31T"));
	conversation_who(out, &r->from);
	if (*deed && r->from.bare)
		buf_addf(out, " %s", deed);
	buf_addf(out, " [#%llu]\n", (unsigned long long)r->log_index);
	if (answers) {
		buf_adds(out, INDENT "in answer to the message with the id ");
		conversation_show(out, answers, true);
		buf_addc(out, '\n');
	}
	if (r->body)
		add_words(out, "", r->body);
	if (t)
		add_target(out, t, a);
	for (size_t i = 0; i < r->nfiles; i++) {
		buf_adds(out, INDENT "file: ");
		conversation_file(out, &r->files[i]);
		buf_addc(out, '\n');
	}
	buf_addc(out, '\n');
}
