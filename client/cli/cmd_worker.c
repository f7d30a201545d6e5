/* SPDX-License-Identifier: MIT */
/* stint worker: runs a worker until it is stopped or drained. */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "log_print.h"

const char cmd_worker_usage[] =
    "usage: stint worker [options]\n\n"
    "  --config FILE     the configuration, a JSON file\n"
    "  --group G         serve this group; again, or G,H, for more (main)\n"
    "  --concurrency N   run so many tasks at once (number of cores)\n"
    "  --prefetch N      hold so many more (0)\n"
    "  --name NAME       the worker's name (HOST.PID)\n"
    "  --heartbeat S     seconds between signs of life (3)\n"
    "  --grace S         from SIGTERM to SIGKILL for a run (5)\n"
    "  --shutdown S      when stopping, wait so long for runs (30)\n"
    "  --max-empty-runs N  end after N looks in a row, a heartbeat apart,\n"
    "                    found nothing to do; 0: never (0)\n"
    "  --drain           end when nothing is due, scheduled or running\n"
    "  --supervise       in a child process, made anew when it dies; Redis\n"
    "                    hears at once how it died\n"
    "  --log text|json   the form of its log, on stderr (text)\n"
    "  --log-level error|warn|info|debug\n"
    "                    what it logs (info); debug: every run, too\n\n"
    "SIGTERM or SIGINT: takes nothing new and finishes what runs; a\n"
    "second one gives everything back at once. SIGHUP: reads the\n"
    "configuration again; what runs is finished by the old one.\n";

/* For the signal handler only. */
static stint_worker *volatile signalled_worker;
static stint_supervisor *volatile signalled_supervisor;

static void signal_stop(int number)
{
    (void)number;
    int e = errno;
    stint_worker *w = signalled_worker;
    if (w)
        stint_worker_stop(w);
    if (signalled_supervisor)
        stint_supervisor_stop(signalled_supervisor);
    errno = e;
}

static void signal_reload(int number)
{
    (void)number;
    int e = errno;
    stint_worker *w = signalled_worker;
    if (w)
        stint_worker_reload(w);
    if (signalled_supervisor)
        stint_supervisor_reload(signalled_supervisor);
    errno = e;
}

static void signals_set(void (*handler)(int))
{
    struct sigaction a = {.sa_handler = handler};
    sigemptyset(&a.sa_mask);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGINT, &a, NULL);
    if (handler == signal_stop)
        a.sa_handler = signal_reload;
    sigaction(SIGHUP, &a, NULL);
}

/* "a,b" and "c" become a, b, c and NULL, all copies. */
static void groups_split(const struct words *given, struct words *groups)
{
    for (size_t i = 0; i < given->n; i++) {
        const char *p = given->at[i];
        for (;;) {
            size_t len = strcspn(p, ",");
            words_add(groups, text_copy(p, len));
            if (!p[len])
                break;
            p += len + 1;
        }
    }
    words_add(groups, NULL);
}

static int worker_serve(const struct stint_worker_options *o)
{
    struct stint_err err = {0};
    stint_worker *w = stint_worker_new(o, &err);
    if (!w)
        return error_print(&err);
    signalled_worker = w;
    signals_set(signal_stop);
    int status = EXIT_DONE;
    if (stint_worker_run(w, &err))
        status = error_print(&err);
    signals_set(SIG_IGN);
    signalled_worker = NULL;
    stint_worker_free(w);
    signals_set(SIG_DFL);
    return status;
}

/* The same in a child process; its signal handler is ours. */
static int worker_supervise(const struct stint_worker_options *o)
{
    struct stint_err err = {0};
    stint_supervisor *s = stint_supervisor_new(o, &err);
    if (!s)
        return error_print(&err);
    signalled_supervisor = s;
    signals_set(signal_stop);
    int status = EXIT_DONE;
    if (stint_supervisor_run(s, &err))
        status = error_print(&err);
    signals_set(SIG_IGN);
    signalled_supervisor = NULL;
    stint_supervisor_free(s);
    signals_set(SIG_DFL);
    return status;
}

/* What was given, before defaults. */
struct given {
    struct words groups;
    int64_t concurrency, prefetch, max_empty_runs;
    const char *level, *log;
    int supervise;
};

static int given_check(const struct command *c, const struct common *common,
                       const struct given *g,
                       const struct stint_worker_options *o)
{
    if (common->words.n)
        return usage_fail(c, "unexpected word %s", common->words.at[0]);
    if (g->concurrency < 1 && g->concurrency != INT64_MIN)
        return usage_fail(c, "--concurrency: must be 1 or more");
    if (g->concurrency > INT_MAX || g->prefetch > INT_MAX)
        return usage_fail(c, "--concurrency, --prefetch: too large");
    if (g->prefetch < 0)
        return usage_fail(c, "--prefetch: must be 0 or more");
    if (g->max_empty_runs < 0 || g->max_empty_runs > INT_MAX)
        return usage_fail(c, "--max-empty-runs: must be 0 or more");
    if (o->heartbeat_s < 0 || o->grace_s < 0 || o->shutdown_s < 0)
        return usage_fail(c, "--heartbeat, --grace, --shutdown: must be "
                             "over 0");
    int is_json;
    if (log_level_find(g->level) < 0)
        return usage_fail(c, "--log-level: no such level: %s", g->level);
    if (log_form_find(g->log, &is_json) < 0)
        return usage_fail(c, "--log: must be text or json");
    return -1;
}

int cmd_worker_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    struct given g = {.concurrency = INT64_MIN, .level = "info", .log = "text"};
    const struct option_row rows[] = {
        {"config", OPTION_TEXT, &o.config_path},
        {"group", OPTION_WORDS, &g.groups},
        {"concurrency", OPTION_COUNT, &g.concurrency},
        {"prefetch", OPTION_COUNT, &g.prefetch},
        {"name", OPTION_TEXT, &o.name},
        {"heartbeat", OPTION_NUMBER, &o.heartbeat_s},
        {"grace", OPTION_NUMBER, &o.grace_s},
        {"shutdown", OPTION_NUMBER, &o.shutdown_s},
        {"drain", OPTION_FLAG, &o.drain},
        {"max-empty-runs", OPTION_COUNT, &g.max_empty_runs},
        {"supervise", OPTION_FLAG, &g.supervise},
        {"log", OPTION_TEXT, &g.log},
        {"log-level", OPTION_TEXT, &g.level},
    };
    struct words groups = {0};
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &common,
                               argc, argv);
    if (status < 0)
        status = given_check(c, &common, &g, &o);
    if (status < 0) {
        struct log_print how = {.most = log_level_find(g.level)};
        log_form_find(g.log, &how.is_json);
        groups_split(&g.groups, &groups);
        o.url = common.url;
        o.name_space = common.name_space;
        o.groups = g.groups.n ? groups.at : NULL;
        o.concurrency = g.concurrency > 0 ? (int)g.concurrency : 0;
        o.prefetch = (int)g.prefetch;
        o.max_empty_runs = (int)g.max_empty_runs;
        o.announce = 1;
        o.log = log_print;
        o.log_arg = &how;
        o.log_runs = how.most == STINT_LOG_DEBUG;
        status = g.supervise ? worker_supervise(&o) : worker_serve(&o);
    }
    for (size_t i = 0; i < groups.n; i++)
        free((void *)(uintptr_t)groups.at[i]);
    words_free(&groups);
    words_free(&g.groups);
    words_free(&common.words);
    return status;
}
