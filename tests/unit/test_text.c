/* SPDX-License-Identifier: MIT */
/* Text of others on a terminal: what it takes, and that it cannot steer it. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"

static void piece_is(const char *text, size_t bytes, const char *shown,
                     size_t columns)
{
    struct text_piece piece;
    assert_int_equal(text_step(text, &piece), bytes);
    assert_string_equal(piece.text, shown);
    assert_int_equal(piece.columns, columns);
}

static void characters_take_their_columns(void **state)
{
    (void)state;
    piece_is("abc", 1, "a", 1);
    piece_is("\xc3\xbc!", 2, "\xc3\xbc", 1);              /* u with dots */
    piece_is("\xe6\x97\xa5", 3, "\xe6\x97\xa5", 2);       /* a wide one */
    piece_is("\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80", 2);
    piece_is("\xcc\x81", 2, "\xcc\x81", 0); /* an accent on what is before */
    assert_int_equal(text_columns("a\xcc\x81\xe6\x97\xa5 b"), 5);
    assert_int_equal(text_columns(""), 0);
}

static void nothing_steers_the_terminal(void **state)
{
    (void)state;
    piece_is("\x1b[31m", 1, "\\x1b", 4);
    piece_is("\n", 1, "\\x0a", 4);
    piece_is("\x7f", 1, "\\x7f", 4);
    piece_is("\xc2\x9b", 2, "\\x9b", 4);     /* C1, as UTF-8 */
    piece_is("\x9b", 1, "\\x9b", 4);         /* C1, as it is */
    piece_is("\xe2\x80\xae", 3, "\\u202e", 6); /* right to left */
    piece_is("\xe2\x80\xa8", 3, "\\u2028", 6);
    assert_int_equal(text_columns("\x1b[2J"), 7);
}

static void what_is_no_utf8_is_escaped(void **state)
{
    (void)state;
    piece_is("\xff", 1, "\\xff", 4);
    piece_is("\xc3", 1, "\\xc3", 4);         /* cut off */
    piece_is("\xe6\x97z", 1, "\\xe6", 4);
    piece_is("\xc0\x80", 1, "\\xc0", 4);     /* longer than needed */
    piece_is("\xed\xa0\x80", 1, "\\xed", 4); /* a surrogate */
    piece_is("\xf5\x80\x80\x80", 1, "\\xf5", 4);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_take_their_columns),
        cmocka_unit_test(nothing_steers_the_terminal),
        cmocka_unit_test(what_is_no_utf8_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
