/* SPDX-License-Identifier: MIT */
/* For each group: ask `wake` (which also puts a lost marker back) when each
 * duty is due, do the duties that are, ask again at the next of these times or
 * after a period. One call at a time and group. */
#include "reaper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "err.h"
#include "lua_scripts.h"
#include "part.h"

#define RETAINED_MAX 1000000 /* ended tasks kept per group */
#define MESSAGES_MAX 100     /* on their way at once */

/* The first ones in the order in which wake tells when they are due. */
enum duty { DUTY_EXPIRE = 1, DUTY_RECOVER = 2, DUTY_PRUNE = 4, DUTY_FIRE = 8,
            DUTY_SETTLE = 16, DUTY_DELIVER = 32, DUTY_SAMPLE = 64 };

/* Nobody is there whom a broadcast could reach: try again so much later. */
#define FIRE_AGAIN_MS 1000

/* Steps of Redis's clock back over so many leases are mended. A smaller one is
 * waited for: a lease from before it cannot be told from one renewed since. */
#define STEP_LEASES 4
#define REWIND_AGAIN_MS 200 /* after a failure */

#define SAMPLE_MS          10000 /* the shortest step of lua/sample.lua */
#define SAMPLE_IDLE_MS     60000 /* of a group that looks as it did */
#define SAMPLES_PER_SECOND 50    /* of all groups */

struct reaper_group {
    struct reaper_group *next;
    struct reaper *reaper;
    char name[STINT_NAME_LEN + 1]; /* of a part */
    int parts;            /* of its group, part 0 knows; 0: not heard */
    int64_t look_mono_ms; /* when to ask again */
    int busy;             /* calls outstanding */
    enum script_id doing; /* of the outstanding one */
    int due;              /* duties still to do, a set of enum duty */
    int64_t fire_mono_ms; /* no DUTY_FIRE before */
    int64_t back_ms;      /* Redis's clock went back so far; 0: it did not */
    int64_t rewind_at, rewind_stay; /* where rewind goes on */
    int64_t rewind_mono_ms; /* and not before */
    struct reaper_clock clock; /* if groups are apart */
    int missed;           /* a call failed, and none was answered since */
    int64_t hold_mono_ms; /* no DUTY_RECOVER before */
    int64_t sample_mono_ms; /* no DUTY_SAMPLE before */
    int64_t idle_mono_ms;   /* nor before, if nothing has happened */
    char heard[48];         /* what wake said of that, and when the last sample */
    char sampled[48];       /* was taken */
};

void reaper_init(struct reaper *r, struct script_caller *caller,
                 const struct log *log, const char *worker, int64_t period_ms,
                 int64_t lease_ms, int64_t (*clock)(void))
{
    *r = (struct reaper){.caller = caller, .log = log, .worker = worker,
                         .period_ms = period_ms, .lease_ms = lease_ms,
                         .clock = clock};
}

static struct reaper_group *reaper_find(const struct reaper *r,
                                        const char *name)
{
    for (struct reaper_group *g = r->groups; g != NULL; g = g->next)
        if (strcmp(g->name, name) == 0)
            return g;
    return NULL;
}

/* NULL: there are too many. */
static struct reaper_group *reaper_get(struct reaper *r, const char *name)
{
    struct reaper_group *g = reaper_find(r, name);
    if (g != NULL || r->n_groups == REAPER_GROUPS_MAX)
        return g;
    g = calloc(1, sizeof(*g));
    check(g != NULL);
    snprintf(g->name, sizeof(g->name), "%s", name);
    g->reaper = r;
    g->next = r->groups;
    r->groups = g;
    r->n_groups++;
    return g;
}

void reaper_add_group(struct reaper *r, const char *text, size_t len)
{
    char group[STINT_NAME_LEN + 1], name[STINT_NAME_LEN + 1];
    int parts = part_read(text, len, group);
    struct reaper_group *g = parts > 0 ? reaper_get(r, group) : NULL;
    if (g == NULL || g->parts == parts)
        return;
    g->parts = parts;
    for (int k = 1; k < parts; k++) {
        part_name(name, group, k);
        (void)reaper_get(r, name); /* full: as many as there can be */
    }
}

int reaper_parts_of(const struct reaper *r, const char *group)
{
    const struct reaper_group *g = reaper_find(r, group);
    return g != NULL && g->parts > 0 ? g->parts : 1;
}

static struct reaper_clock *reaper_clock_find(struct reaper *r,
                                              const char *group)
{
    if (!r->apart)
        return &r->clock_of_all;
    for (struct reaper_group *g = r->groups; g != NULL; g = g->next)
        if (strcmp(g->name, group) == 0)
            return &g->clock;
    return NULL; /* not looked after yet */
}

/* Leases and due times from before lie ahead now: whoever leads mends that. For
 * a while: a reaper that leads later finds it done. */
static void reaper_went_back(struct reaper *r, const struct reaper_clock *c,
                             int64_t by_ms, int64_t now_ms)
{
    r->back_until_mono_ms = now_ms + STEP_LEASES * r->lease_ms;
    for (struct reaper_group *g = r->groups; g != NULL; g = g->next) {
        if (c != &r->clock_of_all && c != &g->clock)
            continue;
        g->back_ms += by_ms;
        g->rewind_at = 1;
        g->rewind_stay = 0;
        g->rewind_mono_ms = now_ms;
    }
    if (!r->apart)
        r->fleet_back_ms += by_ms;
    r->fleet_mono_ms = now_ms;
}

/* Redis's clock against ours: after a jump nobody's lease has ended until all
 * had the time to renew it. */
void reaper_saw_clock(struct reaper *r, const char *group, int64_t redis_us,
                      int64_t now_ms)
{
    struct reaper_clock *c = reaper_clock_find(r, group);
    if (c == NULL)
        return;
    if (c->mono_ms != 0) {
        int64_t jump = (redis_us - c->redis_us) / 1000 - (now_ms - c->mono_ms);
        if (jump > r->lease_ms / 2 || jump < -r->lease_ms / 2) {
            log_warn(r->log, log_event("clock"), log_s("jump_s", jump),
                     log_s("hold_s", r->lease_ms),
                     log_text("text", "Redis's clock jumped: nobody is held "
                              "for lost for a while"));
            r->hold_until_mono_ms = now_ms + r->lease_ms;
        }
        /* A reply that was long on its way looks like a jump back, too, but
         * tells no earlier time than the one before it. */
        int64_t back_ms = (c->redis_us - redis_us) / 1000;
        if (back_ms > STEP_LEASES * r->lease_ms)
            reaper_went_back(r, c, back_ms, now_ms);
    }
    c->redis_us = redis_us;
    c->mono_ms = now_ms;
}

void reaper_was_away(struct reaper *r, int64_t now_ms)
{
    r->hold_until_mono_ms = now_ms + r->lease_ms;
}

void reaper_missed(struct reaper *r, const char *group)
{
    for (struct reaper_group *g = r->groups; g != NULL; g = g->next)
        if (group == NULL || strcmp(g->name, group) == 0)
            g->missed = 1;
}

/* It answers. */
static void reaper_met(struct reaper_group *g, int64_t now_ms)
{
    if (g->missed)
        g->hold_mono_ms = now_ms + g->reaper->lease_ms;
    g->missed = 0;
}

static int reaper_may_recover(const struct reaper_group *g, int64_t now_ms)
{
    return now_ms >= g->hold_mono_ms &&
           now_ms >= g->reaper->hold_until_mono_ms;
}

static void reaper_next(struct reaper_group *g, int64_t now_ms);

static void reaper_send(struct reaper *r, enum script_id id, const char *group,
                        const struct args *args, script_done_fn fn, void *arg)
{
    r->n_calls++;
    script_call(r->caller, id, group, args, fn, arg);
}

static void call_failed(const struct reaper_group *g, enum script_id id,
                        const struct stint_err *err)
{
    log_debug(g->reaper->log, log_event("call"),
              log_text("verb", lua_scripts[id].name),
              log_text("group", g->name), log_text("error", err->text));
}

/* A reply has come: the next deadline may be another one now. */
static void reaper_heard(const struct reaper *r)
{
    if (r->want_tick != NULL)
        r->want_tick(r->want_arg);
}

static void reaper_on_duty(const struct redisReply *reply,
                           const struct stint_err *err, void *arg)
{
    struct reaper_group *g = arg;
    struct reaper *r = g->reaper;
    int64_t now_ms = r->clock();
    g->busy = 0;
    reaper_heard(r);
    if (reply == NULL) {
        /* A call that has not been refused; and samples are no promise. */
        if (err->code != STINT_NOSCRIPT && g->doing != SCRIPT_SAMPLE)
            g->missed = 1;
        g->due = 0;
        g->look_mono_ms = now_ms + 200;
        call_failed(g, g->doing, err);
        return;
    }
    if (g->doing == SCRIPT_SAMPLE)
        return; /* the next look is at its time */
    int64_t moved = reply_i64(reply, 1);
    if (g->doing == SCRIPT_EXPIRE || g->doing == SCRIPT_RECOVER ||
        g->doing == SCRIPT_PRUNE)
        r->n_reaped += moved;
    if (g->doing == SCRIPT_FIRE && moved == 0)
        g->fire_mono_ms = now_ms + FIRE_AGAIN_MS;
    if (moved > 0)
        log_at(r->log, g->doing == SCRIPT_RECOVER ? STINT_LOG_INFO
                                                  : STINT_LOG_DEBUG,
               log_event(lua_scripts[g->doing].name),
               log_text("group", g->name), log_n("tasks", moved));
    if (reply_i64(reply, 2) == 1 && moved > 0) /* more of it */
        g->due |= g->doing == SCRIPT_EXPIRE    ? DUTY_EXPIRE
                  : g->doing == SCRIPT_RECOVER ? DUTY_RECOVER
                  : g->doing == SCRIPT_FIRE    ? DUTY_FIRE
                  : g->doing == SCRIPT_SETTLE  ? DUTY_SETTLE
                                               : DUTY_PRUNE;
    g->look_mono_ms = now_ms; /* when is the next? */
    reaper_next(g, now_ms);
}

/* ---- Messages to other groups -------------------------------------------- */

/* One on its way: KIND GROUP ID FROM WORD. It is forgotten where it came from
 * only when it has arrived; it may arrive twice. */
struct message {
    struct reaper_group *from;
    char group[STINT_NAME_LEN + 1]; /* that it is for */
    char text[];
};

static void message_end(struct message *m)
{
    struct reaper_group *g = m->from;
    reaper_heard(g->reaper);
    free(m);
    if (--g->busy == 0)
        g->look_mono_ms = g->reaper->clock(); /* are there more? */
}

static void reaper_on_receipt(const struct redisReply *reply,
                              const struct stint_err *err, void *arg)
{
    (void)reply, (void)err; /* not forgotten: delivered again */
    message_end(arg);
}

static void reaper_on_delivered(const struct redisReply *reply,
                                const struct stint_err *err, void *arg)
{
    struct message *m = arg;
    struct reaper *r = m->from->reaper;
    if (reply == NULL) {
        call_failed(m->from, SCRIPT_DELIVER, err);
        m->from->look_mono_ms = r->clock() + 200;
        message_end(m);
        return;
    }
    struct args a;
    args_init(&a);
    args_add_i64(&a, 0);
    args_add_str(&a, m->text);
    reaper_send(r, SCRIPT_MESSAGES, m->from->name, &a,
                reaper_on_receipt, m);
    args_close(&a);
    reaper_look(r, m->group); /* it may have an answer */
}

static void message_send(struct reaper_group *g, const char *text, size_t len)
{
    const char *word[5];
    size_t size[5], n = 0;
    struct message *m = malloc(sizeof(*m) + len + 1);
    check(m != NULL);
    m->from = g;
    memcpy(m->text, text, len);
    m->text[len] = '\0';
    for (const char *p = m->text; n < 5 && *p != '\0'; n++) {
        word[n] = p;
        size[n] = strcspn(p, " ");
        p += size[n] + (p[size[n]] == ' ');
    }
    g->busy++;
    if (n < 5 || size[1] > STINT_NAME_LEN) {
        log_error(g->reaper->log, log_event("deliver"),
                  log_text("group", g->name), log_text("message", m->text),
                  log_text("error", "it is no message"));
        message_end(m);
        return;
    }
    memcpy(m->group, word[1], size[1]);
    m->group[size[1]] = '\0';
    struct args a;
    args_init(&a);
    args_add(&a, word[0], size[0]);
    for (int i = 2; i < 5; i++)
        args_add(&a, word[i], size[i]);
    reaper_send(g->reaper, SCRIPT_DELIVER, m->group, &a,
                reaper_on_delivered, m);
    args_close(&a);
}

static void reaper_on_messages(const struct redisReply *reply,
                               const struct stint_err *err, void *arg)
{
    struct reaper_group *g = arg;
    g->look_mono_ms = g->reaper->clock() + g->reaper->period_ms;
    if (reply == NULL)
        call_failed(g, SCRIPT_MESSAGES, err);
    for (size_t i = 1; i < reply_n(reply); i++) {
        size_t len;
        const char *text = reply_str(reply, i, &len);
        message_send(g, text, len);
    }
    g->busy--;
    reaper_heard(g->reaper);
}

static void reaper_deliver(struct reaper_group *g)
{
    struct args a;
    args_init(&a);
    args_add_i64(&a, MESSAGES_MAX);
    g->busy = 1;
    reaper_send(g->reaper, SCRIPT_MESSAGES, g->name, &a,
                reaper_on_messages, g);
    args_close(&a);
}

/* Redis's time (ms) by what was seen of it and by our own clock since: only
 * leases that ended before that have ended. Its clock may jump between a look
 * and the call that follows. 0: nothing seen. */
static int64_t reaper_sees_ms(const struct reaper_group *g)
{
    struct reaper *r = g->reaper;
    const struct reaper_clock *c = reaper_clock_find(r, g->name);
    if (c == NULL || c->mono_ms == 0)
        return 0;
    return c->redis_us / 1000 + (r->clock() - c->mono_ms);
}

/* ---- Samples --------------------------------------------------------------- */

/* Where something has happened a sample is due once a step, else seldom: a
 * thousand idle groups are not to cost anything. word: of wake; redis_ms: now.
 * *wait_ms becomes shorter if the next is due before; not of a group that is
 * seen for the first time, of which nothing says that anything happens. */
static void reaper_plan_sample(struct reaper_group *g, const char *word,
                               int64_t redis_ms, int64_t now_ms,
                               int64_t *wait_ms)
{
    if (word[0] == '\0')
        return; /* an older library */
    snprintf(g->heard, sizeof(g->heard), "%s", word);
    int is_idle = strcmp(g->heard, g->sampled) == 0;
    if (now_ms >= g->sample_mono_ms &&
        (!is_idle || now_ms >= g->idle_mono_ms))
        g->due |= DUTY_SAMPLE;
    int64_t step_ms = SAMPLE_MS - redis_ms % SAMPLE_MS;
    if (!is_idle && g->sampled[0] != '\0' && step_ms < *wait_ms)
        *wait_ms = step_ms;
}

/* May it be taken now? There is a limit for all groups. */
static int reaper_may_sample(struct reaper_group *g, int64_t now_ms)
{
    struct reaper *r = g->reaper;
    if (now_ms - r->samples_mono_ms >= 1000) {
        r->samples_mono_ms = now_ms;
        r->n_samples = 0;
    }
    if (r->n_samples >= SAMPLES_PER_SECOND)
        return 0;
    r->n_samples++;
    int64_t seen_ms = reaper_sees_ms(g);
    g->sample_mono_ms = now_ms + SAMPLE_MS - seen_ms % SAMPLE_MS;
    g->idle_mono_ms = now_ms + SAMPLE_IDLE_MS;
    memcpy(g->sampled, g->heard, sizeof(g->sampled));
    return 1;
}

/* ---- Duties ---------------------------------------------------------------- */

static void reaper_call(struct reaper_group *g, enum script_id id)
{
    struct args a;
    args_init(&a);
    if (id != SCRIPT_SAMPLE)
        args_add_i64(&a, REAP_TASKS_MAX);
    /* Should this call lie in a Redis that stands still, so do the heartbeats
     * of those whose leases end meanwhile. */
    if (id == SCRIPT_RECOVER)
        args_add_i64(&a, reaper_sees_ms(g));
    if (id == SCRIPT_PRUNE)
        args_add_i64(&a, RETAINED_MAX);
    g->busy = 1;
    g->doing = id;
    reaper_send(g->reaper, id, g->name, &a, reaper_on_duty, g);
    args_close(&a);
}

static void reaper_rewind_send(struct reaper *r, const char *group,
                               int64_t back_ms, int64_t at, int64_t stay,
                               script_done_fn fn, void *arg)
{
    struct args a;
    args_init(&a);
    args_add_i64(&a, REAP_TASKS_MAX);
    args_add_i64(&a, back_ms);
    args_add_i64(&a, at);
    args_add_i64(&a, stay);
    reaper_send(r, SCRIPT_REWIND, group, &a, fn, arg);
    args_close(&a);
}

static void reaper_on_rewound(const struct redisReply *reply,
                              const struct stint_err *err, void *arg)
{
    struct reaper_group *g = arg;
    int64_t now_ms = g->reaper->clock();
    g->busy = 0;
    reaper_heard(g->reaper);
    g->look_mono_ms = now_ms;
    if (reply == NULL) {
        call_failed(g, SCRIPT_REWIND, err);
        g->rewind_mono_ms = now_ms + REWIND_AGAIN_MS;
        return;
    }
    int64_t moved = reply_i64(reply, 1);
    if (moved > 0)
        log_info(g->reaper->log, log_event("rewind"),
                 log_text("group", g->name), log_n("moved", moved),
                 log_text("text", "leases and tasks follow Redis's clock "
                          "back"));
    g->rewind_at = reply_i64(reply, 2);
    g->rewind_stay = reply_i64(reply, 3);
    if (g->rewind_at == 0)
        g->back_ms = 0;
}

static void reaper_rewind(struct reaper_group *g)
{
    g->busy = 1;
    reaper_rewind_send(g->reaper, g->name, g->back_ms, g->rewind_at,
                       g->rewind_stay, reaper_on_rewound, g);
}

static void reaper_on_fleet_rewound(const struct redisReply *reply,
                                    const struct stint_err *err, void *arg)
{
    struct reaper *r = arg;
    (void)err; /* tried again */
    r->fleet_busy = 0;
    r->fleet_mono_ms = r->clock() + REWIND_AGAIN_MS;
    if (reply != NULL)
        r->fleet_back_ms = 0;
}

/* Follows a step of Redis's clock back, as far as it is not done. */
static void reaper_follow_back(struct reaper *r, int64_t now_ms)
{
    int is_late = now_ms > r->back_until_mono_ms;
    if (is_late)
        r->fleet_back_ms = 0;
    if (r->fleet_back_ms > 0 && !r->fleet_busy && r->fleet_mono_ms <= now_ms) {
        r->fleet_busy = 1;
        reaper_rewind_send(r, NULL, r->fleet_back_ms, 0, 0,
                           reaper_on_fleet_rewound, r);
    }
    for (struct reaper_group *g = r->groups; g != NULL; g = g->next) {
        if (is_late && g->rewind_at == 1 && g->rewind_stay == 0)
            g->back_ms = 0; /* not begun */
        if (g->back_ms > 0 && !g->busy && g->rewind_mono_ms <= now_ms)
            reaper_rewind(g);
    }
}

/* The next duty that is due, if any. */
static void reaper_next(struct reaper_group *g, int64_t now_ms)
{
    static const struct {
        enum duty duty;
        enum script_id script;
    } duties[] = {{DUTY_EXPIRE, SCRIPT_EXPIRE},
                  {DUTY_RECOVER, SCRIPT_RECOVER},
                  {DUTY_PRUNE, SCRIPT_PRUNE},
                  {DUTY_FIRE, SCRIPT_FIRE},
                  {DUTY_SETTLE, SCRIPT_SETTLE},
                  {DUTY_SAMPLE, SCRIPT_SAMPLE}};
    if (g->due & DUTY_DELIVER) {
        g->due &= ~DUTY_DELIVER;
        reaper_deliver(g);
        return;
    }
    for (size_t i = 0; i < sizeof(duties) / sizeof(*duties); i++) {
        if (!(g->due & (int)duties[i].duty))
            continue;
        g->due &= ~(int)duties[i].duty;
        if (duties[i].duty == DUTY_RECOVER &&
            !reaper_may_recover(g, now_ms))
            continue;
        if (duties[i].duty == DUTY_FIRE && now_ms < g->fire_mono_ms)
            continue;
        if (duties[i].duty == DUTY_SAMPLE && !reaper_may_sample(g, now_ms))
            continue;
        reaper_call(g, duties[i].script);
        return;
    }
}

static void reaper_on_wake(const struct redisReply *reply,
                           const struct stint_err *err, void *arg)
{
    struct reaper_group *g = arg;
    struct reaper *r = g->reaper;
    int64_t now_ms = r->clock();
    g->busy = 0;
    reaper_heard(r);
    if (reply == NULL) {
        call_failed(g, SCRIPT_WAKE, err);
        g->missed = 1;
        g->look_mono_ms = now_ms + r->period_ms;
        return;
    }
    reaper_met(g, now_ms);
    int64_t redis_us = reply_i64(reply, 0), redis_ms = redis_us / 1000;
    reaper_saw_clock(r, g->name, redis_us, now_ms);
    g->due = 0;
    int64_t wait_ms = r->period_ms;
    for (size_t i = 1; i <= 4; i++) {
        int64_t at_ms = reply_i64(reply, i);
        size_t len;
        reply_str(reply, i, &len);
        if (len == 0)
            continue; /* none */
        if (i == 4 && at_ms <= redis_ms && now_ms < g->fire_mono_ms)
            continue;
        if (at_ms < redis_ms)
            g->due |= 1 << (i - 1);
        else if (at_ms - redis_ms + 1 < wait_ms)
            wait_ms = at_ms - redis_ms + 1;
    }
    if (g->due & DUTY_RECOVER && now_ms < g->hold_mono_ms &&
        g->hold_mono_ms - now_ms < wait_ms)
        wait_ms = g->hold_mono_ms - now_ms;
    if (reply_i64(reply, 5) > RETAINED_MAX)
        g->due |= DUTY_PRUNE;
    if (reply_i64(reply, 6) > 0)
        g->due |= DUTY_DELIVER;
    if (reply_i64(reply, 7) > 0)
        g->due |= DUTY_SETTLE;
    size_t word_len;
    reaper_plan_sample(g, reply_str(reply, 8, &word_len), redis_ms, now_ms,
                       &wait_ms);
    g->look_mono_ms = now_ms + wait_ms;
    reaper_next(g, now_ms);
}

static void reaper_ask(struct reaper_group *g, int64_t now_ms)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, g->reaper->worker);
    g->busy = 1;
    g->look_mono_ms = now_ms + g->reaper->period_ms;
    reaper_send(g->reaper, SCRIPT_WAKE, g->name, &a, reaper_on_wake,
                g);
    args_close(&a);
}

void reaper_look(struct reaper *r, const char *group)
{
    struct reaper_group *g = reaper_get(r, group);
    if (g != NULL && !g->busy)
        reaper_ask(g, r->clock());
}

void reaper_look_all(struct reaper *r)
{
    for (struct reaper_group *g = r->groups; g != NULL; g = g->next)
        if (!g->busy)
            reaper_ask(g, r->clock());
}

int64_t reaper_tick(struct reaper *r, int64_t now_mono_ms)
{
    int64_t next = now_mono_ms + r->period_ms;
    reaper_follow_back(r, now_mono_ms);
    for (struct reaper_group *g = r->groups; g != NULL; g = g->next) {
        if (!g->busy && g->look_mono_ms <= now_mono_ms)
            reaper_ask(g, now_mono_ms);
        if (!g->busy && g->look_mono_ms < next)
            next = g->look_mono_ms;
    }
    return next;
}

void reaper_close(struct reaper *r)
{
    while (r->groups != NULL) {
        struct reaper_group *g = r->groups;
        r->groups = g->next;
        free(g);
    }
    r->n_groups = 0;
}
