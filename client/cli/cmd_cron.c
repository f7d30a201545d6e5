/* SPDX-License-Identifier: MIT */
/* stint cron next: when an expression is due. Needs no Redis. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_DEFAULT = 5, COUNT_MAX = 1000 };

const char cmd_cron_usage[] =
    "usage: stint cron next \"EXPRESSION\" [options]\n\n"
    "Prints the next times of a cron expression, a line each.\n\n"
    "  --timezone Z      an IANA name, as Europe/Rome (UTC)\n"
    "  --from T          times after this one (now)\n"
    "  --count N         so many, 1 to 1000 (5)\n\n"
    "The fields: minute (0-59), hour (0-23), day of month (1-31, L: the\n"
    "last), month (1-12, jan-dec), day of week (0-7, sun-sat; 0 and 7 are\n"
    "Sunday). Each: * or a list of numbers, ranges a-b, and steps */n, a-b/n,\n"
    "a/n. Or @hourly, @daily, @weekly, @monthly, @yearly. If both days are\n"
    "given (and begin with no *), one of them has to match.\n"
    "A local time that a clock change skips is due right after it; one that\n"
    "comes twice is due the first time.\n"
    "Times: now, +45s, -60s, +2h, RFC 3339, seconds since the epoch. They are\n"
    "printed as the zone's local time with its offset.\n";

struct cron_next {
    struct stint_cron_options o;
    int64_t count;
    bool json;
};

static bool zone_is_utc(const char *zone)
{
    return !zone || !strcmp(zone, "UTC") || !strcmp(zone, "Etc/UTC");
}

/* RFC 3339. It knows no seconds in an offset, which old ones have: those are
 * cut, from the time shown too, so that it is still the same instant. */
static const char *local_text(const struct stint_cron_time *t, bool utc,
                              char text[TIME_TEXT_LEN])
{
    int minutes = t->offset_s / 60;
    time_text(t->ms + (int64_t)minutes * 60000, text);
    char *end = strchr(text, '.');
    if (!end)
        return text;
    if (utc)
        snprintf(end, 2, "Z");
    else
        snprintf(end, 8, "%c%02d:%02d", minutes < 0 ? '-' : '+',
                 abs(minutes) / 60 % 100, abs(minutes) % 60);
    return text;
}

static void times_json(const struct cron_next *next,
                       const struct stint_cron_time *times, size_t n)
{
    struct json_out j = {false};
    char text[TIME_TEXT_LEN];
    bool utc = zone_is_utc(next->o.time_zone);
    json_open(&j, NULL, '{');
    json_text(&j, "expression", next->o.expression);
    json_text(&j, "timezone", next->o.time_zone ? next->o.time_zone : "UTC");
    json_open(&j, "times", '[');
    for (size_t i = 0; i < n; i++)
        json_text(&j, NULL, time_text(times[i].ms, text));
    json_shut(&j, ']');
    json_open(&j, "local_times", '[');
    for (size_t i = 0; i < n; i++)
        json_text(&j, NULL, local_text(&times[i], utc, text));
    json_shut(&j, ']');
    json_shut(&j, '}');
    putchar('\n');
}

static int next_show(const struct cron_next *next)
{
    size_t n = (size_t)next->count;
    struct stint_cron_time *times = memory_new(n, sizeof *times);
    struct stint_err err = {0};
    int status = EXIT_DONE;
    if (stint_cron_next(&next->o, times, n, &err)) {
        status = error_print(&err);
    } else if (next->json) {
        times_json(next, times, n);
    } else {
        char text[TIME_TEXT_LEN];
        bool utc = zone_is_utc(next->o.time_zone);
        for (size_t i = 0; i < n; i++)
            puts(local_text(&times[i], utc, text));
    }
    free(times);
    return status;
}

/* -1: fine; otherwise the exit status. */
static int next_check(const struct command *c, struct cron_next *next,
                      const struct words *words)
{
    if (words->n == 0 || strcmp(words->at[0], "next") != 0)
        return usage_fail(c, "cron needs the word next and an expression");
    if (words->n == 1)
        return usage_fail(c, "cron next needs an expression");
    if (words->n > 2)
        return usage_fail(c,
                          "unexpected word %s: the expression is one word, "
                          "in quotes",
                          words->at[2]);
    if (next->count < 1 || next->count > COUNT_MAX)
        return usage_fail(c, "--count: from 1 to %d is wanted, not %" PRId64,
                          COUNT_MAX, next->count);
    next->o.expression = words->at[1];
    return -1;
}

int cmd_cron_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    struct cron_next next = {.o = STINT_CRON_OPTIONS_INIT,
                             .count = COUNT_DEFAULT};
    const struct option_row rows[] = {
        {"timezone", OPTION_TEXT, &next.o.time_zone},
        {"from", OPTION_TEXT, &next.o.from},
        {"count", OPTION_COUNT, &next.count},
    };
    int status =
        options_parse(c, rows, sizeof rows / sizeof *rows, &common, argc, argv);
    if (status < 0)
        status = next_check(c, &next, &common.words);
    next.json = common.json;
    if (status < 0)
        status = next_show(&next);
    words_free(&common.words);
    return status;
}
