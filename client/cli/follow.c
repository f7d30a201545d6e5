/* SPDX-License-Identifier: MIT */
/* Following a task: it is looked at ten times a second. Its output is printed
 * like that of tail -f; what a run cleared or what was cut in its middle is
 * printed anew. */
#define _GNU_SOURCE /* memmem */
#include "follow.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_MS = 100,
    ANCHOR = 256 /* bytes that are enough to find the place again */
};

/* How much of a run was printed. */
struct printed {
    char *run_id;
    char *output; /* the latest of it */
    bool ended;
};

struct follow {
    struct printed *runs; /* those of the last look, newest first */
    size_t n;
    bool started;
    bool open_line; /* what was printed last does not end in a line feed */
    char *shown;    /* the last line of state, or object */
};

/* ---- Output -------------------------------------------------------------- */

/* Raw into a file or a pipe; on a terminal nothing can play tricks. */
static void output_write(struct follow *f, const char *text)
{
    bool raw = !isatty(STDOUT_FILENO);
    if (!*text)
        return;
    f->open_line = text[strlen(text) - 1] != '\n';
    for (const char *p = text; *p;) {
        size_t plain = raw ? strlen(p) : strcspn(p, "\n\t\r");
        if (raw)
            fwrite(p, 1, plain, stdout);
        else {
            char *part = text_copy(p, plain);
            text_print(stdout, part);
            free(part);
        }
        p += plain;
        if (*p)
            putchar(*p++);
    }
}

static void line_close(struct follow *f)
{
    if (f->open_line)
        putchar('\n');
    f->open_line = false;
}

/* What of `now` comes behind `before`, or NULL if it is another text. */
static const char *output_rest(const char *before, const char *now)
{
    size_t len = strlen(before), n = strlen(now);
    if (n >= len && !memcmp(before, now, len))
        return now + len;
    if (len < 4 * ANCHOR)
        return NULL;
    const char *end = before + len - ANCHOR;
    const char *at = memmem(now, n, end, ANCHOR);
    return at ? at + ANCHOR : NULL;
}

static void run_print(struct follow *f, const struct printed *before,
                      const char *output)
{
    const char *rest =
        before && before->output ? output_rest(before->output, output) : output;
    if (rest)
        output_write(f, rest);
    else {
        line_close(f);
        output_write(f, output);
    }
}

static const struct printed *run_find(const struct follow *f, const char *id)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->runs[i].run_id, id))
            return &f->runs[i];
    return NULL;
}

static void printed_free(struct printed *runs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(runs[i].run_id);
        free(runs[i].output);
    }
    free(runs);
}

/* The oldest first, so that the order is that of time. What was over before
 * the first look is not ours to print, except the last. */
static void outputs_print(struct follow *f, const struct stint_status *t)
{
    struct printed *runs = memory_new(t->n_runs, sizeof *runs);
    for (size_t i = t->n_runs; i-- > 0;) {
        const struct stint_run_status *r = &t->runs[i];
        const struct printed *before = run_find(f, r->run_id);
        const char *output = r->output ? r->output : "";
        bool ended = strcmp(r->status, "RUNNING") != 0;
        bool old = !f->started && i > 0 && ended;
        if (!old && !(before && before->ended))
            run_print(f, before, output);
        runs[i].run_id = text_copy(r->run_id, strlen(r->run_id));
        runs[i].output = text_copy(output, strlen(output));
        runs[i].ended = ended;
    }
    printed_free(f->runs, f->n);
    f->runs = runs;
    f->n = t->n_runs;
    f->started = true;
}

/* ---- States -------------------------------------------------------------- */

/* Prints what tells this state from others, if it is another than before. The
 * reason is not part of it: that changes all the time. */
static void state_print(struct follow *f, const struct stint_status *t,
                        unsigned flags, bool json)
{
    char text[4 * STINT_NAME_LEN];
    snprintf(text, sizeof text, "%s %s %lld %lld %lld %s", t->status, t->worker,
             (long long)t->last_run_time_ms, (long long)t->times_run,
             (long long)t->times_failed,
             strcmp(t->status, "RUNNING") ? "" : t->reason);
    if (f->shown && !strcmp(f->shown, text))
        return;
    free(f->shown);
    f->shown = text_copy(text, strlen(text));
    if (json) {
        status_json(t, flags);
        return;
    }
    struct timespec now;
    char at[TIME_TEXT_LEN];
    clock_gettime(CLOCK_REALTIME, &now);
    cell_print(
        time_text((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, at), 0);
    fputs("  ", stdout);
    bool more = *t->worker || *t->reason;
    cell_print(t->status, more ? 9 : 0);
    if (*t->worker) {
        fputs("  on ", stdout);
        cell_print(t->worker, 0);
    }
    if (*t->reason) {
        fputs("  ", stdout);
        cell_print(t->reason, 0);
    }
    putchar('\n');
}

/* -------------------------------------------------------------------------- */

static bool status_is_end(const char *status)
{
    return strcmp(status, "QUEUED") && strcmp(status, "ASSIGNED") &&
           strcmp(status, "RUNNING");
}

static int follow_end(struct follow *f, const struct stint_status *t,
                      bool outputs)
{
    bool completed = !strcmp(t->status, "COMPLETED");
    line_close(f);
    fflush(stdout);
    if (outputs && !completed)
        message("%s: %s%s%s", t->id, t->status, *t->reason ? ": " : "",
                t->reason);
    return completed ? EXIT_DONE : EXIT_FAILED;
}

int follow_task(stint *s, const char *group, const char *id, unsigned flags,
                bool json)
{
    struct follow f = {0};
    bool outputs = (flags & STINT_WITH_OUTPUT) && !json;
    unsigned wanted = outputs ? STINT_WITH_OUTPUT | STINT_WITH_RUNS : flags;
    char *in = NULL; /* its group, once that is known */
    int status = -1;
    while (status < 0) {
        struct stint_err err = {0};
        struct stint_status *t =
            stint_task_status(s, in ? in : group, id, wanted, &err);
        if (!t && err.code == STINT_NOT_FOUND)
            message("%s: %s", id, in ? "is gone" : "no such task");
        if (!t) {
            line_close(&f);
            status =
                err.code == STINT_NOT_FOUND ? EXIT_FAILED : error_print(&err);
            break;
        }
        if (!in)
            in = text_copy(t->group_name, strlen(t->group_name));
        if (outputs)
            outputs_print(&f, t);
        else
            state_print(&f, t, flags, json);
        if (status_is_end(t->status))
            status = follow_end(&f, t, outputs);
        stint_status_free(t);
        if (fflush(stdout) || ferror(stdout))
            status = EXIT_FAILED;
        if (status < 0)
            nanosleep(&(struct timespec){0, LOOK_MS * 1000000L}, NULL);
    }
    printed_free(f.runs, f.n);
    free(f.shown);
    free(in);
    return status;
}
