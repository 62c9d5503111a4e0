/*
 * Tests of gateway/room_line with gateway/again: what is said in a room while the record is away and there is no room for, and who is told of it. The one who is told ends the
 * room, as a network may.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "gateway/room.h"

#define LINES 3

static struct gateway *g;
static struct gateway_room_kept *room;
static struct gateway_seat_kept seat;
static struct room_client *client;
static struct offer first;
static enum xerror told[LINES + 1];
static unsigned ntold;
static bool ends;

static void
stored(void *arg, enum xerror e, const char *text)
{
	(void)arg;
	(void)text;
	assert_in_range(ntold, 0, LINES);
	told[ntold++] = e;
	if (ends && ntold == 1)
		room_lines_end(&room->r);
}

static void
ignore(struct offer *o)
{
	(void)o;
}

/* A room with a client in it; somebody else's words wait for the record already. */
static int
setup(void **state)
{
	json_t *none = json_object();
	struct err err = { 0 };

	(void)state;
	g = NEW(struct gateway);
	assert_int_equal(gateway_settings_read(&g->settings, none, &err), 0);
	json_decref(none);
	g->limits = &g->settings.limits;
	g->now_ms = 1000;
	again_init(&g->again);
	first = (struct offer){ .until_ms = UINT64_MAX, .give = ignore, .late = ignore };
	list_init(&first.link);
	again_hold(g, &first);
	room = NEW(struct gateway_room_kept);
	room->r = (struct gateway_room){ .gateway = g, .address = "#room%net", .kept = room };
	room->local = (char *)"#room%net";
	list_init(&room->seats);
	list_init(&room->lines);
	seat = (struct gateway_seat_kept){ .s = { .room = &room->r, .in = true } };
	list_append(&room->seats, &seat.in_room);
	client = mem_zalloc(sizeof(*client) + 64);
	strcpy(client->jid, "romeo@x.example/orchard");
	client->to = client->jid;
	HASH_ADD_STR(seat.clients, jid, client);
	ntold = 0;
	ends = true;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	g->stopping = true;
	room_lines_end(&room->r);
	rooms_end();
	again_forget(g, &first);
	HASH_DEL(seat.clients, client);
	free(client);
	free(room);
	gateway_settings_free(&g->settings);
	free(g);
	return 0;
}

static void
say(void)
{
	struct buf inner = { 0 };

	buf_adds(&inner, "<body>x</body>");
	room_say(&room->r, &(struct room_words){ .nick = "tybalt", .id = "1", .inner = &inner, .stored = stored }, NULL);
	buf_fini(&inner);
}

/* Nothing of the lines is left, nor counted. */
static void
check_none_left(void)
{
	assert_true(list_is_empty(&room->lines));
	assert_int_equal(room->nheld, 0);
	assert_int_equal(g->again_copies, 0);
	assert_int_equal(g->ncoming, 0);
	assert_int_equal(g->again.n, 1);
}

static void
no_place(void **state)
{
	(void)state;
	g->limits->again_room_lines = 0;
	say();
	assert_int_equal(ntold, 1);
	assert_int_equal(told[0], XERROR_RESOURCE_CONSTRAINT);
	check_none_left();
}

/* Behind it stand others whose time is over, too, and which end with the room. */
static void
too_late(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LINES; i++)
		say();
	assert_int_equal(room->nheld, LINES);
	g->now_ms += (g->limits->again_seconds + 1) * 1000;
	again_tick(g);
	assert_int_equal(ntold, LINES);
	assert_int_equal(told[0], XERROR_RESOURCE_CONSTRAINT);
	assert_int_equal(told[LINES - 1], XERROR_NONE);
	check_none_left();
}

/* Who does not end the room is told once of each, and one line stands for all. */
static void
room_stays(void **state)
{
	(void)state;
	ends = false;
	for (unsigned i = 0; i < LINES; i++)
		say();
	g->now_ms += (g->limits->again_seconds + 1) * 1000;
	again_tick(g);
	assert_int_equal(ntold, LINES);
	assert_int_equal(room->nheld, 1);
	room_lines_end(&room->r);
	assert_int_equal(ntold, LINES);
	check_none_left();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_place, setup, teardown),
		cmocka_unit_test_setup_teardown(too_late, setup, teardown),
		cmocka_unit_test_setup_teardown(room_stays, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
