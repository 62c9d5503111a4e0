/*
 * words: see words.h. The first words of each language are its own; the others are made of syllables and the endings that the language
 * has, so that there are as many as in years of messages, and stems have something to do.
 */
#include "words.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define VOCABULARY 40000 /* of each language */
#define ZIPF_SHIFT 2.7
#define WORD_ROOM 32
#define LANGUAGES 2

static const char *const common[LANGUAGES] = {
	"the to and a of in is you that it for on we have be this with are not will at can from your if they or an do but there what so all no "
	"was has as by me my our please thanks meeting today tomorrow time when would about just know like get out see one also could send "
	"project team contract budget report client price invoice review deadline release issue update question answer call week month monday friday "
	"who then good think need some more other here how only new after before should work file document version number customer order payment "
	"approve sign delay risk legal audit bank account transfer confirm schedule office lunch coffee train flight hotel",
	"de la le et les des en un une est que pour pas dans je vous il au qui sur ce nous avec plus ne du se on par mais si tout bien sont ou cette "
	"fait être merci bonjour demain réunion projet équipe contrat budget rapport client prix facture délai version question réponse appel semaine "
	"mois lundi vendredi comme aussi peut faut très quand même autre ici après avant encore alors sans deux oui non peu temps jour fichier document "
	"numéro commande paiement accord signature retard risque juridique compte virement confirmer bureau déjeuner café train vol hôtel élève forêt "
	"où déjà voilà ça c'est j'ai l'équipe d'accord aujourd'hui",
};

static const char *const syllables[LANGUAGES] = {
	"ba be bri ca ce clo con cra da de dis dro en ex fa fe fli for ga gre ha hol im in jo ka la le lin lo ma me mo na ne nor o pa per pla po pre "
	"qui ra re rin ro sa se shi sla so sta sub ta te thri tra tu un va ve vi wa wi yo ze",
	"ba bé bou cha ché cri dé di du é en fa fi fou gé gra hé in jou la lé li lou ma mé mi mon na né nou o pa pé plu pré qua ra ré ri rou sa sé "
	"si sou ta té ti tou tra u va vé vi voi",
};

static const char *const endings[LANGUAGES] = { "s ed ing er tion ment ly al ness able ity ist", "s er é ée és ons ez ment tion eur eux ique ité ait" };

struct language {
	char word[VOCABULARY][WORD_ROOM];
};

struct words {
	struct chance_table zipf;
	struct language language[LANGUAGES];
};

/* The words of a text, which is cut up for it. */
static unsigned
split(char *text, const char *out[], unsigned most)
{
	unsigned n = 0;

	for (char *at = NULL, *s = strtok_r(text, " ", &at); s && n < most; s = strtok_r(NULL, " ", &at))
		out[n++] = s;
	return n;
}

/* Common ones are short. */
static void
make_word(struct chance *c, uint32_t rank, const char *const *syllable, unsigned nsyllables, const char *const *ending, unsigned nendings,
	char out[WORD_ROOM])
{
	unsigned n = 2 + (rank > 1000) + chance_below(c, 2);

	out[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		strcat(out, syllable[chance_below(c, nsyllables)]);
	if (chance_below(c, 2))
		strcat(out, ending[chance_below(c, nendings)]);
}

static void
make_language(struct language *l, int number)
{
	char *text[3] = { mem_strdup(common[number]), mem_strdup(syllables[number]), mem_strdup(endings[number]) };
	const char *first[256], *syllable[128], *ending[32];
	unsigned nfirst = split(text[0], first, 256), nsyllables = split(text[1], syllable, 128), nendings = split(text[2], ending, 32);
	struct chance c = { .state = (uint64_t)number << 32 };

	for (uint32_t i = 0; i < VOCABULARY; i++)
		if (i < nfirst)
			strcpy(l->word[i], first[i]);
		else
			make_word(&c, i, syllable, nsyllables, ending, nendings, l->word[i]);
	for (int i = 0; i < 3; i++)
		free(text[i]);
}

struct words *
words_new(void)
{
	struct words *w = NEW(struct words);

	chance_zipf(&w->zipf, VOCABULARY, ZIPF_SHIFT);
	for (int i = 0; i < LANGUAGES; i++)
		make_language(&w->language[i], i);
	return w;
}

void
words_free(struct words *w)
{
	chance_fini(&w->zipf);
	free(w);
}

void
words_say(struct words *w, struct chance *c, struct buf *out)
{
	const struct language *l = &w->language[chance_below(c, 100) < 60 ? 0 : 1];
	/* Most are short, few are long; twelve words on average. */
	unsigned n = 1 + chance_below(c, 8) + (chance_below(c, 3) ? chance_below(c, 12) : 0) + (chance_below(c, 50) ? 0 : chance_below(c, 200));

	for (unsigned i = 0; i < n; i++) {
		buf_adds(out, i ? chance_below(c, 12) ? " " : ", " : "");
		buf_adds(out, l->word[chance_draw(c, &w->zipf)]);
	}
	if (!chance_below(c, 40))
		buf_addf(out, " CX-%05u", chance_below(c, 100000));
	if (!chance_below(c, 60))
		buf_addf(out, " https://wiki.example.org/%08x", chance_below(c, UINT32_MAX));
	buf_addc(out, chance_below(c, 4) ? '.' : '?');
}
