/* SPDX-License-Identifier: MIT */
/* Why a task does not run, or what became of it: what the rules know (one
 * call), what the workers' records know (another), said in plain sentences,
 * the decisive one first. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "part.h"
#include "parts.h"
#include "status.h"
#include "time_text.h"

#define PARENTS_NAMED 5

/* What is known. Texts are borrowed from the reply. */
struct explaining {
    stint *s;
    const char *group, *id;
    struct task_state st;
    char function[STINT_NAME_LEN + 1];
    int64_t now_ms, due_ms;
    int64_t ended;         /* tasks of the group in the last minute */
    int64_t live, resting; /* workers of the group */
    int64_t retry;         /* how many there may be; -1: without end */
    int64_t paused_ms;     /* since when its group is; 0: it is not */
    const struct redisReply *parents;
    /* from the records of the group's live workers: */
    int64_t knowing, knowing_active; /* that have the function */
    int64_t slots, busy;             /* of the latter */
    int holder_is_dead;
    struct stint_why *why;
};

/* ---- Saying it ----------------------------------------------------------- */

static void say(struct explaining *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a sentence; what has no room is cut between characters. */
static void say(struct explaining *e, const char *fmt, ...)
{
    char *text = e->why->reason;
    size_t cap = sizeof(e->why->reason), len = strlen(text);
    va_list ap;
    if (len > 0 && len + 1 < cap) {
        text[len++] = ' ';
        text[len] = '\0';
    }
    va_start(ap, fmt);
    int n = vsnprintf(text + len, cap - len, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n < cap - len)
        return;
    len = cap - 1; /* no byte of a character that is not all there */
    while (len > 0 && ((unsigned char)text[len - 1] & 0xc0) == 0x80)
        len--;
    if (len > 0 && (unsigned char)text[len - 1] >= 0xc0)
        len--;
    text[len] = '\0';
}

#define SPAN_LEN 32

/* "12.3 s", "3m 05s", "4h 00m", "2d 03h". */
static const char *span(int64_t ms, char text[static SPAN_LEN])
{
    int64_t s = ms / 1000;
    if (ms < 0)
        snprintf(text, SPAN_LEN, "0.0 s");
    else if (s < 120)
        snprintf(text, SPAN_LEN, "%" PRId64 ".%d s", s, (int)(ms % 1000 / 100));
    else if (s < 7200)
        snprintf(text, SPAN_LEN, "%" PRId64 "m %02ds", s / 60, (int)(s % 60));
    else if (s < 172800)
        snprintf(text, SPAN_LEN, "%" PRId64 "h %02dm", s / 3600,
                 (int)(s / 60 % 60));
    else
        snprintf(text, SPAN_LEN, "%" PRId64 "d %02dh", s / 86400,
                 (int)(s / 3600 % 24));
    return text;
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- The workers --------------------------------------------------------- */

/* Is the name in a comma-separated list? */
static int names_have(const char *names, const char *name)
{
    size_t len = strlen(name);
    while (*names != '\0') {
        size_t n = strcspn(names, ",");
        if (n == len && memcmp(names, name, n) == 0)
            return 1;
        names += n + (names[n] == ',');
    }
    return 0;
}

static int why_on_worker(const struct stint_worker_status *w, void *arg)
{
    struct explaining *e = arg;
    int dead = strcmp(w->status, "DEAD") == 0;
    if (dead && strcmp(w->name, e->st.worker) == 0)
        e->holder_is_dead = 1;
    if (dead || !names_have(w->groups, e->group) ||
        !names_have(w->functions, e->function))
        return 0;
    e->knowing++;
    if (strcmp(w->status, "ACTIVE") == 0) {
        e->knowing_active++;
        e->slots += w->concurrency;
        e->busy += w->running;
    }
    return 0;
}

/* Who could run it? 1: somebody; otherwise it is said who is missing. */
static int why_workers(struct explaining *e)
{
    if (e->live == 0)
        say(e, "No live worker serves group %s.", e->group);
    else if (e->resting >= e->live && e->live == 1)
        say(e, "The only worker of group %s is disabled.", e->group);
    else if (e->resting >= e->live)
        say(e, "All %" PRId64 " workers of group %s are disabled.", e->live,
            e->group);
    else if (e->knowing == 0)
        say(e, "No live worker of group %s knows function %s.", e->group,
            e->function);
    else if (e->knowing_active == 0)
        say(e,
            "Every worker of group %s that knows function %s is disabled or "
            "about to leave.",
            e->group, e->function);
    else
        return 1;
    return 0;
}

/* ---- QUEUED -------------------------------------------------------------- */

/* The status of a parent, GROUP/ID. */
static void parent_status(struct explaining *e, const char *ref,
                          char status[static 12])
{
    struct stint_err ignored = {0};
    struct task_state st;
    group_name group;
    const char *id = strchr(ref, '/');
    size_t len, task_len;
    snprintf(status, 12, "?");
    if (id == NULL)
        return;
    snprintf(group, sizeof(group), "%.*s", (int)(id - ref), ref);
    id++;
    struct redisReply *r = status_call(e->s, group, "1", &id, 1, &ignored);
    const char *text = reply_str(r, 1, &len);
    reply_str(r, 2, &task_len);
    if (r != NULL && task_len == 0)
        snprintf(status, 12, "GONE");
    else if (r != NULL && !task_state_decode(&st, text, len))
        snprintf(status, 12, "%s", st.status);
    client_reply_free(r);
}

static void why_parents(struct explaining *e)
{
    char text[400] = "";
    size_t used = 0, n = 0, len;
    for (; n < reply_n(e->parents) && n < PARENTS_NAMED; n++) {
        char status[12], one[STINT_NAME_LEN + STINT_ID_LEN + 20];
        char ref[STINT_NAME_LEN + STINT_ID_LEN + 2];
        snprintf(ref, sizeof(ref), "%s", reply_str(e->parents, n, &len));
        parent_status(e, ref, status);
        part_ref_fold(ref);
        int k = snprintf(one, sizeof(one), "%s%s (%s)", n > 0 ? ", " : "", ref,
                         status);
        if (k < 0 || used + (size_t)k >= sizeof(text))
            break;
        memcpy(text + used, one, (size_t)k + 1);
        used += (size_t)k;
    }
    int64_t more = e->st.waits - (int64_t)n;
    if (n > 0 && more > 0)
        say(e, "It waits for %s … and %" PRId64 " more.", text, more);
    else if (n > 0)
        say(e, "It waits for %s.", text);
    else
        say(e, "It waits for %" PRId64 " task%s.", e->st.waits,
            plural(e->st.waits));
}

static void why_not_due(struct explaining *e)
{
    char in[SPAN_LEN];
    span(e->due_ms - e->now_ms, in);
    if (e->st.times_failed > 0 && e->retry > 0)
        say(e, "Retry %" PRId64 " of %" PRId64 " is due in %s.",
            e->st.times_failed, e->retry, in);
    else if (e->st.times_failed > 0)
        say(e, "Retry %" PRId64 " is due in %s.", e->st.times_failed, in);
    else if (e->st.times_run > 0)
        say(e, "Its next run is due in %s.", in);
    else
        say(e, "It is due in %s.", in);
    if (e->st.expire_ms != 0 && e->st.expire_ms < e->due_ms)
        say(e, "Its stop_time comes first: it will expire in %s.",
            span(e->st.expire_ms - e->now_ms, in));
}

static void why_turn(struct explaining *e)
{
    struct stint_why *y = e->why;
    double rate = (double)e->ended / 60; /* a second */
    char in[SPAN_LEN];
    if (e->st.cast) {
        say(e, "It is due: it is about to be given to every worker.");
        return;
    }
    if (e->ended > 0)
        y->about_s = (double)y->ahead / rate;
    if (y->ahead == 0)
        say(e, "It is due and the next in line.");
    else if (e->ended > 0)
        say(e,
            "It is due; %" PRId64 " task%s %s ahead of it, about %s at the "
            "present rate.",
            y->ahead, plural(y->ahead), y->ahead == 1 ? "is" : "are",
            span((int64_t)(y->about_s * 1000), in));
    else
        say(e,
            "It is due; %" PRId64 " task%s %s ahead of it, and nothing of its "
            "group ended in the last minute.",
            y->ahead, plural(y->ahead), y->ahead == 1 ? "is" : "are");
    if (e->slots == 1 && e->busy >= 1)
        say(e, "The only slot of its worker is taken.");
    else if (e->slots > 0 && e->busy >= e->slots)
        say(e, "All %" PRId64 " slots of the workers are taken.", e->slots);
}

static void why_paused(struct explaining *e)
{
    char past[SPAN_LEN];
    say(e, "The group is paused, for %s.",
        span(e->now_ms - e->paused_ms, past));
}

static void why_queued(struct explaining *e)
{
    if (e->st.disabled)
        say(e, "It is disabled until somebody enables it.");
    if (e->st.waits > 0)
        why_parents(e);
    if (e->due_ms > e->now_ms)
        why_not_due(e);
    if (e->paused_ms != 0)
        why_paused(e);
    int due = !e->st.disabled && e->st.waits == 0 && e->due_ms <= e->now_ms &&
              e->paused_ms == 0;
    if (!due)
        e->why->ahead = -1;
    /* Nobody to run it is worth knowing before it is due, too. */
    if (why_workers(e) && due)
        why_turn(e);
}

/* ---- Held and ended ------------------------------------------------------ */

static void why_running(struct explaining *e)
{
    char since[TIME_TEXT_LEN], past[SPAN_LEN];
    time_text_write(e->st.start_ms, since);
    span(e->now_ms - e->st.start_ms, past);
    if (e->st.cast)
        say(e,
            "It has been running on all workers for %s, since %s; %" PRId64
            " of %" PRId64 " have ended.",
            past, since, e->st.parts - e->st.open, e->st.parts);
    else
        say(e, "It has been running on %s for %s, since %s.", e->st.worker,
            past, since);
    if (e->st.stopping)
        say(e, "It is being stopped.");
    if (e->st.disabled)
        say(e, "It is disabled: no run will follow this one.");
    if (e->holder_is_dead && !e->st.cast)
        say(e, "That worker gives no sign of life; its tasks will be given to "
               "others.");
}

static void why_assigned(struct explaining *e)
{
    say(e, "Worker %s has it in hand and starts it as soon as a slot is free.",
        e->st.worker);
    if (e->holder_is_dead)
        say(e, "That worker gives no sign of life; its tasks will be given to "
               "others.");
}

/* The last word on it needs the outcome: a call more. */
static int why_ended(struct explaining *e, struct stint_err *err)
{
    char at[TIME_TEXT_LEN], past[SPAN_LEN];
    struct stint_status *t =
        stint_task_status(e->s, e->group, e->id, STINT_WITH_OUTPUT, err);
    if (t == NULL)
        return -1;
    time_text_write(e->st.stop_ms, at);
    span(e->now_ms - e->st.stop_ms, past);
    const char *worker = strcmp(e->st.worker, "-") ? e->st.worker : "";
    int ran = *worker != '\0' && *worker != '*' && e->st.start_ms != 0;
    size_t len = strlen(t->reason);
    int stops = len > 0 && strchr(".!?\n", t->reason[len - 1]) != NULL;
    say(e, "It ended %s %s ago, at %s%s%s%s%s%s", e->st.status, past, at,
        ran ? ", on " : "", ran ? worker : "", len > 0 ? ": " : "", t->reason,
        stops ? "" : ".");
    stint_status_free(t);
    return 0;
}

/* ---- The call ------------------------------------------------------------ */

/* The rule `retry` of a record; task_state has no place for it. */
static int64_t record_retry(const char *record)
{
    const char *at = strstr(record, " retry=");
    return at != NULL ? strtoll(at + 7, NULL, 10) : 0;
}

/* Reads the reply of why.lua. */
static int why_read(struct explaining *e, const struct redisReply *r,
                    struct stint_err *err)
{
    size_t len;
    const char *task = reply_str(r, 2, &len);
    if (len == 0 || strcmp(task, "-") == 0)
        return err_set(err, STINT_NOT_FOUND, "there is no task %.128s", e->id);
    json_t *o = task_text_load(task, len);
    if (o == NULL && errno == ENOMEM)
        return err_set(err, STINT_NOMEM, "out of memory");
    const char *name = json_string_value(json_object_get(o, "function"));
    snprintf(e->function, sizeof(e->function), "%s", name != NULL ? name : "");
    json_decref(o);
    const char *record = reply_str(r, 1, &len);
    if (task_state_decode(&e->st, record, len))
        snprintf(e->st.status, sizeof(e->st.status), "BROKEN");
    e->retry = record_retry(record);
    e->now_ms = reply_i64(r, 0) / 1000;
    e->due_ms = reply_i64(r, 3);
    e->why->ahead = reply_i64(r, 4);
    e->ended = reply_i64(r, 5);
    e->live = reply_i64(r, 6);
    e->resting = reply_i64(r, 7);
    e->parents = reply_at(r, 8);
    e->paused_ms = reply_i64(r, 9);
    snprintf(e->why->status, sizeof(e->why->status), "%s", e->st.status);
    return 0;
}

static int why_say(struct explaining *e, struct stint_err *err)
{
    const char *status = e->st.status;
    int queued = strcmp(status, "QUEUED") == 0;
    if (!queued)
        e->why->ahead = -1;
    if (status_has_ended(status))
        return why_ended(e, err);
    if (stint_workers(e->s, why_on_worker, e, err))
        return -1;
    if (queued)
        why_queued(e);
    else if (strcmp(status, "ASSIGNED") == 0)
        why_assigned(e);
    else if (strcmp(status, "RUNNING") == 0)
        why_running(e);
    else
        say(e, "Its record in Redis cannot be read.");
    return 0;
}

static int why_look(stint *s, const char *group, const char *id,
                    struct stint_why *why, struct stint_err *err)
{
    group_name in, name;
    struct args a;
    struct explaining e = {.s = s, .group = name, .id = id, .why = why};
    *why = (struct stint_why){.ahead = -1, .about_s = -1};
    if (status_locate(s, group, id, in, err))
        return -1;
    snprintf(name, sizeof(name), "%.*s", (int)part_group_len(in), in);
    args_init(&a);
    args_add_str(&a, id);
    struct redisReply *r = client_call(s, SCRIPT_WHY, in, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    int rc = why_read(&e, r, err) ? -1 : why_say(&e, err);
    client_reply_free(r);
    return rc;
}

int stint_why(stint *s, const char *group, const char *id,
              struct stint_why *why, struct stint_err *err)
{
    int rc = why_look(s, group, id, why, err);
    if (rc && parts_look_again(s, group, err))
        rc = why_look(s, group, id, why, err);
    return rc;
}
