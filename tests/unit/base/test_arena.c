/* Tests of base/arena: alignment, growth, large pieces, clean-ups, reset, accounting. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char order[16];

static void
note(void *arg)
{
	strncat(order, arg, 1);
}

static void
pieces_are_aligned_and_apart(void **state)
{
	struct arena *a = arena_new(0);
	unsigned char *p[500];

	(void)state;
	for (size_t i = 0; i < 500; i++) {
		p[i] = arena_alloc(a, i);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		memset(p[i], (int)(i & 255), i);
	}
	for (size_t i = 0; i < 500; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal(p[i][k], i & 255);
	arena_free(a);
	arena_free(NULL);
}

static void
first_block_is_kept(void **state)
{
	struct arena *a = arena_new(256);
	size_t first = arena_bytes(a);
	char *p = arena_zalloc(a, 100);

	(void)state;
	assert_true(first >= 256 && first < 512);
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	assert_int_equal(arena_bytes(a), first);
	arena_alloc(a, 1000000);
	assert_true(arena_bytes(a) > first + 1000000 && arena_bytes(a) < first + 1010000);
	for (int i = 0; i < 1000; i++)
		arena_alloc(a, 100);
	assert_true(arena_bytes(a) > 1100000);
	arena_reset(a);
	assert_int_equal(arena_bytes(a), first);
	assert_ptr_equal(arena_alloc(a, 100), p);
	arena_free(a);
}

static void
large_piece_leaves_the_current_block(void **state)
{
	struct arena *a = arena_new(64);
	size_t before;

	(void)state;
	arena_alloc(a, 100);
	arena_alloc(a, 100000);
	before = arena_bytes(a);
	arena_alloc(a, 100000);
	assert_true(arena_bytes(a) - before < 101000);
	arena_free(a);
}

static void
cleanups_run_newest_first_and_once(void **state)
{
	struct arena *a = arena_new(0);

	(void)state;
	order[0] = '\0';
	arena_on_free(a, note, "a");
	arena_on_free(a, note, "b");
	arena_on_free(a, note, "c");
	arena_reset(a);
	assert_string_equal(order, "cba");
	arena_on_free(a, note, "d");
	arena_free(a);
	assert_string_equal(order, "cbad");
}

static void
allocates_while_freed(void *arg)
{
	struct arena *a = arg;

	memset(arena_alloc(a, 5000), 1, 5000);
	strcat(order, "x");
}

static void
cleanup_may_allocate(void **state)
{
	struct arena *a = arena_new(64);

	(void)state;
	order[0] = '\0';
	arena_on_free(a, allocates_while_freed, a);
	arena_free(a);
	assert_string_equal(order, "x");
}

static void
strings(void **state)
{
	struct arena *a = arena_new(0);
	char want[2000], *p;

	(void)state;
	assert_string_equal(arena_strdup(a, "romeo"), "romeo");
	assert_string_equal(arena_strndup(a, "romeo@example", 5), "romeo");
	assert_string_equal(arena_strndup(a, NULL, 0), "");
	assert_string_equal(arena_printf(a, "%s/%d", "balcony", 7), "balcony/7");
	memset(want, 'w', sizeof(want) - 1);
	want[sizeof(want) - 1] = '\0';
	/* Around the size of the buffer that printf tries first. */
	for (size_t n = 250; n < 260; n++) {
		p = arena_printf(a, "%.*s", (int)n, want);
		assert_int_equal(strlen(p), n);
	}
	assert_string_equal(arena_printf(a, "%s", want), want);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_apart),
		cmocka_unit_test(first_block_is_kept),
		cmocka_unit_test(large_piece_leaves_the_current_block),
		cmocka_unit_test(cleanups_run_newest_first_and_once),
		cmocka_unit_test(cleanup_may_allocate),
		cmocka_unit_test(strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
