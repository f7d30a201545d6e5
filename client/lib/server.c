/* SPDX-License-Identifier: MIT */
/* What Redis itself has spent, and how far its clock is from ours. All of it
 * comes from INFO and TIME, which every user may be allowed to call. TIME is
 * asked a few times: of the quickest round trip we know best when it was
 * answered. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "err.h"

#define TIME_TRIES 9
#define DATE_S_MAX INT64_C(253402300799) /* the end of the year 9999 */

/* ---- INFO ---------------------------------------------------------------- */

static int64_t info_us(const char *text, const char *name)
{
    double s = 0;
    while ((text = info_find(text, name)) != NULL)
        s += strtod(text, NULL);
    return s >= 0 && s < (double)INFO_COUNT_MAX / 1e6 ? (int64_t)(s * 1e6)
                                                 : INFO_COUNT_MAX;
}

static int is_script(const char *name, size_t len)
{
    static const char *const names[] = {"fcall", "fcall_ro", "evalsha",
                                        "evalsha_ro"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return 1;
    return 0;
}

/* Lines "cmdstat_NAME:calls=N,…" are added up. */
static void info_commands(const char *text, struct stint_server_usage *u)
{
    static const char mark[] = "cmdstat_", calls[] = ":calls=";
    for (const char *at = text; (at = strstr(at, mark)) != NULL;) {
        at += sizeof(mark) - 1;
        size_t len = strcspn(at, ":\r\n");
        if (strncmp(at + len, calls, sizeof(calls) - 1) != 0)
            continue;
        int64_t n = strtoll(at + len + sizeof(calls) - 1, NULL, 10);
        if (is_script(at, len))
            u->script_calls = info_add(u->script_calls, n);
        if (len != 4 || memcmp(at, "info", 4) != 0)
            u->commands = info_add(u->commands, n);
    }
}

static void info_read(const char *section, const char *text,
                      struct stint_server_usage *u)
{
    if (strcmp(section, "cpu") == 0) {
        u->cpu_us = info_us(text, "used_cpu_sys") +
                    info_us(text, "used_cpu_user");
    } else if (strcmp(section, "memory") == 0) {
        u->used_memory_bytes = info_count(text, "used_memory");
    } else if (strcmp(section, "commandstats") == 0) {
        info_commands(text, u);
    } else {
        info_text(text, "redis_version", u->redis_version,
                  sizeof(u->redis_version));
    }
}

/* ---- TIME ---------------------------------------------------------------- */

/* clock.h has no date in µs, as nothing is decided by it; nor is it here. */
static int64_t date_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int time_look(struct stint *s, struct stint_server_usage *u,
                     struct stint_err *err)
{
    int64_t best_us = INT64_MAX;
    for (int i = 0; i < TIME_TRIES; i++) {
        int64_t from_us = date_us();
        s->learnt->n_times++;
        struct redisReply *r = ask_server(s, "TIME", NULL, NULL, err);
        int64_t took_us = date_us() - from_us;
        if (r == NULL)
            return -1;
        int64_t redis_s = reply_i64(r, 0), part_us = reply_i64(r, 1);
        client_reply_free(r);
        if (redis_s < 0 || redis_s > DATE_S_MAX || part_us < 0 ||
            part_us >= 1000000)
            return err_set(err, STINT_PROTOCOL, "TIME: no date");
        int64_t redis_us = redis_s * 1000000 + part_us;
        if (took_us < 0 || took_us >= best_us)
            continue; /* below 0: the date was set meanwhile */
        best_us = took_us;
        u->time_off_us = redis_us - (from_us + took_us / 2);
        u->time_error_us = took_us / 2 + 1;
    }
    return 0;
}

int stint_server_usage(stint *s, struct stint_server_usage *usage,
                       struct stint_err *err)
{
    static const char *const sections[] = {"server", "commandstats", "memory",
                                           "cpu"};
    struct stint_server_usage u = STINT_SERVER_USAGE_INIT;
    if (time_look(s, &u, err))
        return -1;
    for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
        struct redisReply *r = ask_server(s, "INFO", sections[i], NULL,
                                          err);
        if (r == NULL)
            return -1;
        info_read(sections[i], r->str != NULL ? r->str : "", &u);
        client_reply_free(r);
    }
    u.commands -= s->learnt->n_times;
    u.size = usage->size;
    memcpy(usage, &u, u.size < sizeof(u) ? u.size : sizeof(u));
    return 0;
}
