/* SPDX-License-Identifier: MIT */
/* check: judges the history of a campaign.
 *
 *   check DIR [--level N] [--json] [--report FILE] [--replay yes|no]
 *         [--loss S] [--budget S] [--recovery S] [--gap S] [--memory MIB]
 *
 * DIR holds the *.hist files of a campaign (history.h). Prints a table of the
 * checks with how much each looked at, then the first examples of violations
 * with all records of the task. Exit 0: clean, 1: violations, 2: wrong usage,
 * or the history cannot be read. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const char usage_text[] =
    "usage: check DIR [options]\n"
    "  --level N       promise that is demanded, 1 to 3 (1)\n"
    "  --loss S        level 1: calls acknowledged so long before a stop of\n"
    "                  Redis may be lost (3)\n"
    "  --budget S      so long after its end a fault explains a second run "
    "(30)\n"
    "  --recovery S    so long after a fault of all a result may fail to come "
    "(10)\n"
    "  --gap S         without a fault, a result comes at least so often (5)\n"
    "  --replay yes|no through the transitions of the model, too (yes)\n"
    "  --memory MIB    to sort in (512)\n"
    "  --json          for programs\n"
    "  --report FILE   the table goes there, too\n";

struct arguments {
    struct check_options o;
    const char *dir, *report;
    bool json;
};

static bool read_seconds(const char *text, int64_t *us)
{
    char *end;
    errno = 0;
    double s = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || errno != 0 || !(s >= 0 && s <= 1e6))
        return false;
    *us = (int64_t)(s * 1e6);
    return true;
}

static bool read_count(const char *text, long max, long *n)
{
    char *end;
    errno = 0;
    *n = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && errno == 0 && *n >= 1 && *n <= max;
}

static bool read_option(struct arguments *a, int option, const char *text)
{
    long n;
    switch (option) {
    case 'l':
        if (!read_count(text, 3, &n))
            return false;
        a->o.level = (int)n;
        return true;
    case 'm':
        if (!read_count(text, 1 << 20, &n))
            return false;
        a->o.memory = (size_t)n << 20;
        return true;
    case 'L':
        return read_seconds(text, &a->o.loss_us);
    case 'b':
        return read_seconds(text, &a->o.budget_us);
    case 'R':
        return read_seconds(text, &a->o.recovery_us);
    case 'g':
        return read_seconds(text, &a->o.gap_us);
    case 'p':
        a->o.replay = strcmp(text, "yes") == 0;
        return a->o.replay || strcmp(text, "no") == 0;
    case 'r':
        a->report = text;
        return true;
    case 'j':
        a->json = true;
        return true;
    default:
        return false;
    }
}

static bool read_arguments(struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"level", required_argument, NULL, 'l'},
        {"loss", required_argument, NULL, 'L'},
        {"budget", required_argument, NULL, 'b'},
        {"recovery", required_argument, NULL, 'R'},
        {"gap", required_argument, NULL, 'g'},
        {"replay", required_argument, NULL, 'p'},
        {"memory", required_argument, NULL, 'm'},
        {"json", no_argument, NULL, 'j'},
        {"report", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    *a = (struct arguments){.o = CHECK_OPTIONS_DEFAULT};
    int option = 0;
    while (option != -1) {
        option = getopt_long(argc, argv, "", options, NULL);
        if (option != -1 && !read_option(a, option, optarg))
            return false;
    }
    if (optind + 1 != argc)
        return false;
    a->dir = argv[optind];
    return true;
}

static bool write_report(const struct checked *c, const struct arguments *a)
{
    FILE *to = fopen(a->report, "we");
    if (to == NULL)
        return false;
    checked_print(c, &a->o, to);
    bool failed = ferror(to);
    return fclose(to) == 0 && !failed;
}

int main(int argc, char **argv)
{
    struct arguments a;
    if (!read_arguments(&a, argc, argv)) {
        fputs(usage_text, stderr);
        return 2;
    }
    char why[200];
    struct checked *c = check_campaign(a.dir, &a.o, why);
    if (c == NULL) {
        fprintf(stderr, "check: %s\n", why);
        return 2;
    }
    if (a.json)
        checked_print_json(c, &a.o, stdout);
    else
        checked_print(c, &a.o, stdout);
    int rc = checked_violations(c) == 0 ? 0 : 1;
    if (a.report != NULL && !write_report(c, &a)) {
        fprintf(stderr, "check: cannot write %s\n", a.report);
        rc = 2;
    }
    checked_free(c);
    return rc;
}
