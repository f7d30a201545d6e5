/* SPDX-License-Identifier: MIT */
/* The store of a cluster on an event loop: one ordinary store for each primary,
 * which connects and reconnects by itself, and one more for as long as it takes
 * to ask a node for the map.
 *
 * A lost primary does not stop the others: calls to it fail, and that is all.
 * When it is back, or another took its place, whoever listens hears "connected"
 * again and goes through everything anew, also what is at other primaries. That
 * is more work than needed, but rare, and what a worker does then (it tells
 * each group what it holds) is right at any time; a second kind of state for
 * each node would have to be right, too.
 *
 * With a key (for calls that block) only that key's node is connected to. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>

#include "clock.h"
#include "err.h"
#include "store_cluster.h"

#define ASK_DEADLINE_MS 2000
#define ASK_EVERY_MS    500  /* at most so often, however much has moved */
#define ASK_AGAIN_MS    1000 /* while a primary is away */
#define ASK_MIN_MS      20   /* after a node that did not answer; doubled for
                                each, up to ASK_AGAIN_MS */

struct cluster_async {
    struct cluster c;
    struct event_base *events;
    int64_t deadline_ms;
    store_state_fn on_state;
    void *arg;
    int has_key;
    unsigned key_slot;    /* of the one key it is for */
    struct event *soon, *ask;
    struct store *asker;  /* NULL: nobody is being asked */
    struct conf_node at;  /* who is asked */
    unsigned candidate;
    int n_failed;         /* askings in a row */
    int64_t asked_ms;     /* the last time, mono */
    enum stint_code told; /* the last reason on_state heard; OK: connected */
    int is_up;
    int is_closing;
    uint64_t random;
};

static int64_t jitter_ms(struct cluster_async *s, int64_t ms)
{
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return ms / 2 + (int64_t)((s->random >> 33) % (uint64_t)(ms / 2 + 1));
}

/* ---- Telling ------------------------------------------------------------ */

static void async_tell(struct cluster_async *s, int connected,
                       const struct stint_err *why)
{
    struct stint_err copy = {0};
    if (why != NULL)
        copy = *why;
    if (!connected && !s->is_up && s->told == copy.code)
        return;
    s->is_up = connected;
    s->told = copy.code;
    if (s->on_state != NULL && !s->is_closing)
        s->on_state(connected, why != NULL ? &copy : NULL, s->arg);
}

/* ---- Asking for the map ------------------------------------------------- */

static void async_ask_in(struct cluster_async *s, int64_t ms)
{
    if (s->is_closing || s->asker != NULL || evtimer_pending(s->ask, NULL))
        return;
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    evtimer_add(s->ask, &tv);
}

static void async_refresh(struct cluster *c)
{
    struct cluster_async *s = (struct cluster_async *)c;
    int64_t wait_ms = s->asked_ms + ASK_EVERY_MS - clock_mono_ms();
    async_ask_in(s, wait_ms < 0 ? 0 : jitter_ms(s, wait_ms + 1));
}

/* It may be called from the asker's own callbacks: closing waits for them. */
static void async_end_asking(struct cluster_async *s)
{
    struct store *asker = s->asker;
    s->asker = NULL;
    asker->ops->close(asker);
}

static void async_ask_failed(struct cluster_async *s,
                             const struct stint_err *why)
{
    int64_t ms = ASK_MIN_MS;
    async_end_asking(s);
    s->candidate++;
    for (int i = 0; i < s->n_failed && ms < ASK_AGAIN_MS; i++)
        ms *= 2;
    s->n_failed++;
    async_ask_in(s, jitter_ms(s, ms < ASK_AGAIN_MS ? ms : ASK_AGAIN_MS));
    if (s->c.slots.n_nodes == 0)
        async_tell(s, 0, why);
}

static int async_wants(const struct cluster_async *s, int index)
{
    return !s->has_key || s->c.slots.owner[s->key_slot] == index;
}

/* Connections to all that are wanted, and to no others. Returns whether one of
 * them has failed and not come back. */
static int async_connect_nodes(struct cluster_async *s)
{
    struct cluster *c = &s->c;
    int is_away = s->has_key && c->slots.owner[s->key_slot] == SLOTS_NOBODY;
    for (int i = 0; i < c->slots.n_nodes; i++) {
        if (!async_wants(s, i)) {
            cluster_node_leave(c, i);
            continue;
        }
        const struct cluster_node *n = cluster_node_open(c, i);
        is_away |= n == NULL || (n->is_tried && !n->is_up);
    }
    return is_away;
}

static void async_on_slots(const struct redisReply *reply,
                           const struct stint_err *err, void *arg)
{
    struct cluster_async *s = arg;
    struct stint_err why = {0};
    if (s->asker == NULL)
        return; /* it was closed before this came */
    if (reply == NULL) {
        async_ask_failed(s, err);
        return;
    }
    if (cluster_learn(&s->c, reply, s->at.host, &why) < 0) {
        async_ask_failed(s, &why);
        return;
    }
    s->n_failed = 0;
    async_end_asking(s);
    if (async_connect_nodes(s))
        async_ask_in(s, jitter_ms(s, ASK_AGAIN_MS));
}

static void async_on_asker(int connected, const struct stint_err *why,
                           void *arg)
{
    struct cluster_async *s = arg;
    if (s->asker == NULL)
        return;
    if (connected)
        cluster_ask(s->asker, async_on_slots, s);
    else
        async_ask_failed(s, why);
}

/* A node we are connected to, unless that has just disappointed us. */
static void async_choose(struct cluster_async *s)
{
    cluster_candidate(&s->c, s->candidate, &s->at);
    for (int i = 0; i < s->c.slots.n_nodes && s->n_failed == 0; i++)
        if (s->c.nodes[i] != NULL && s->c.nodes[i]->is_up)
            s->at = s->c.nodes[i]->at;
}

static void async_on_ask(evutil_socket_t fd, short what, void *arg)
{
    struct cluster_async *s = arg;
    struct stint_err why = {0};
    struct conf conf;
    (void)fd, (void)what;
    s->asked_ms = clock_mono_ms();
    async_choose(s);
    conf_of_node(&conf, &s->c.conf, &s->at);
    s->asker = store_async_open(&conf, s->events, ASK_DEADLINE_MS,
                                async_on_asker, s, &why);
    if (s->asker == NULL)
        async_ask_in(s, ASK_AGAIN_MS);
}

/* ---- The nodes ---------------------------------------------------------- */

static void async_on_node(int connected, const struct stint_err *why,
                          void *arg)
{
    struct cluster_node *n = arg;
    struct cluster_async *s = (struct cluster_async *)n->cluster;
    int was_up = n->is_up, n_up = 0, n_untried = 0;
    n->is_tried = 1;
    n->is_up = connected;
    if (n->is_leaving)
        return;
    for (int i = 0; i < s->c.slots.n_nodes; i++) {
        const struct cluster_node *other = s->c.nodes[i];
        if (other == NULL || !async_wants(s, i))
            continue;
        n_up += other->is_up;
        n_untried += !other->is_tried;
    }
    if (!connected)
        async_refresh(&s->c); /* another may have taken its place */
    if (!s->is_up && n_untried > 0)
        return; /* not one after the other while they all come */
    if (n_up == 0)
        async_tell(s, 0, why);
    else if (!s->is_up || connected)
        async_tell(s, 1, NULL);
    else if (was_up)
        async_tell(s, 1, why);
}

static struct store *async_open_node(struct cluster *c,
                                     struct cluster_node *n,
                                     const struct conf *conf,
                                     struct stint_err *err)
{
    struct cluster_async *s = (struct cluster_async *)c;
    return store_async_open(conf, s->events, s->deadline_ms, async_on_node, n,
                            err);
}

static void async_soon(struct cluster *c)
{
    event_active(((struct cluster_async *)c)->soon, EV_TIMEOUT, 1);
}

static void async_on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct cluster *c = arg;
    (void)fd, (void)what;
    cluster_sweep(c);
    for (size_t n = c->failed.n; n > 0; n--)
        cluster_fail_first(c);
}

static const struct cluster_form async_form = {async_open_node, async_refresh,
                                               async_soon};

/* ---- Opening, closing --------------------------------------------------- */

void store_cluster_async_reset(struct store *base)
{
    struct cluster *c = (struct cluster *)base;
    for (int i = 0; i < c->slots.n_nodes; i++)
        if (c->nodes[i] != NULL)
            store_async_reset(c->nodes[i]->store);
}

void store_async_refresh(struct store *base)
{
    if (base->ops->call_at != NULL)
        async_refresh((struct cluster *)base);
}

static void async_close(struct store *base)
{
    struct cluster_async *s = (struct cluster_async *)base;
    s->is_closing = 1;
    if (s->asker != NULL)
        async_end_asking(s);
    if (s->soon != NULL && s->ask != NULL) {
        cluster_close_nodes(&s->c);
        while (s->c.failed.n > 0)
            cluster_fail_first(&s->c);
    }
    if (s->soon != NULL)
        event_free(s->soon);
    if (s->ask != NULL)
        event_free(s->ask);
    cluster_free(&s->c);
}

static const struct store_ops async_ops = {
    .call = cluster_call, .close = async_close, .call_at = cluster_call_at};

struct store *store_cluster_async_open(const struct conf *conf,
                                       struct event_base *base,
                                       int64_t deadline_ms, const char *key,
                                       store_state_fn on_state, void *arg,
                                       struct stint_err *err)
{
    struct cluster_async *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    cluster_init(&s->c, &async_ops, &async_form, conf);
    s->events = base;
    s->deadline_ms = deadline_ms;
    s->on_state = on_state;
    s->arg = arg;
    s->has_key = key != NULL;
    s->key_slot = key != NULL ? slots_of_key(key, strlen(key)) : 0;
    if (getrandom(&s->random, sizeof(s->random), GRND_NONBLOCK) < 0)
        s->random = (uint64_t)clock_mono_us();
    s->soon = event_new(base, -1, 0, async_on_soon, s);
    s->ask = evtimer_new(base, async_on_ask, s);
    if (s->soon == NULL || s->ask == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        async_close(&s->c.base);
        return NULL;
    }
    async_ask_in(s, 0);
    return &s->c.base;
}
