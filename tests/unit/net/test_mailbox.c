/* Tests of net/mailbox: order, the wake-up signal, many senders. */
#include "net/mailbox.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define SENDERS 4
#define EACH 20000

struct letter {
	struct mail mail;
	int sender, number;
};

static struct mailbox box;
static atomic_int wakes;

static void *
send_all(void *arg)
{
	int sender = (int)(intptr_t)arg;

	for (int i = 0; i < EACH; i++) {
		struct letter *l = calloc(1, sizeof(*l));

		l->sender = sender;
		l->number = i;
		if (mailbox_push(&box, &l->mail))
			atomic_fetch_add(&wakes, 1);
	}
	return NULL;
}

static void
order_and_wake_up(void **state)
{
	struct letter a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
	static struct mailbox mb;
	struct mail *m;

	(void)state;
	assert_null(mailbox_take(&mb));
	assert_true(mailbox_push(&mb, &a.mail));
	assert_false(mailbox_push(&mb, &b.mail));
	assert_false(mailbox_push(&mb, &c.mail));
	m = mailbox_take(&mb);
	assert_ptr_equal(m, &a.mail);
	assert_ptr_equal(m->next, &b.mail);
	assert_ptr_equal(m->next->next, &c.mail);
	assert_null(m->next->next->next);
	assert_null(mailbox_take(&mb));
	assert_true(mailbox_push(&mb, &a.mail));
}

static void
many_senders(void **state)
{
	int next[SENDERS] = {0}, got = 0;
	pthread_t threads[SENDERS];
	struct mail *m, *after;

	(void)state;
	for (intptr_t i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, send_all, (void *)i);
	while (got < SENDERS * EACH) {
		for (m = mailbox_take(&box); m; m = after) {
			struct letter *l = (struct letter *)m;

			after = m->next;
			assert_int_equal(l->number, next[l->sender]++);
			free(l);
			got++;
		}
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_null(mailbox_take(&box));
	assert_true(atomic_load(&wakes) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_and_wake_up),
		cmocka_unit_test(many_senders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
