/* SPDX-License-Identifier: MIT */
/* All verbs in any order: a seeded walk over a dozen tasks of two groups, with
 * three workers that lose replies, repeat calls, rest and die. After every call
 * fsck looks, and a script of this test at what fsck does not know: families,
 * broadcasts, tickets, and what may follow what. In the end everything must
 * come to an end and leave no key behind.
 *
 * STINT_SEED=n STINT_STEPS=n in the environment: a long walk, or one again. */
#include "rules.h"

enum { TASKS = 12, WORKERS = 3, HELD = 64, LOG = 40, STEPS = 2000 };

struct held {
    const char *group;
    char id[24];
    char ticket[64];
    char status[12]; /* ASSIGNED or RUNNING, as far as the worker knows */
};

struct worker {
    const char *name;
    struct held held[HELD];
    int n;
};

static struct walk {
    uint64_t seed, random;
    int step, done, log_next;
    char log[LOG][400];
    struct worker workers[WORKERS];
} walk;

/* Per group; ARGV: the verb, the group, the other group. What it finds. */
static const char look[] =
    "local verb, own, other = unpack(ARGV)\n"
    "local base, far = '{stint:'..own..'}', '{stint:'..other..'}'\n"
    "local bad = {}\n"
    "local ENDED = {COMPLETED=1, FAILED=1, TIMEOUT=1, STOPPED=1, EXPIRED=1}\n"
    "local function fault(id, text)\n"
    "  bad[#bad+1] = own..'/'..id..': '..text end\n"
    "local function pairs_of(key)\n"
    "  local t, l = {}, redis.call('HGETALL', key)\n"
    "  for i = 1, #l, 2 do t[l[i]] = l[i+1] end return t end\n"
    "local function read(text)\n"
    "  local r = {} r.status, r.fence, r.token, r.worker = string.match(text,"
    " '^(%S+) (%S+) (%S+) (%S+)')\n"
    "  for k, v in string.gmatch(text, ' (%l+)=(%S+)') do r[k] = v end\n"
    "  return r end\n"
    "local function has(key, m) return redis.call('ZSCORE', key, m) end\n"
    "local tasks = pairs_of(base..':task')\n"
    "local recs, n_parts = {}, {}\n"
    "for id, text in pairs(pairs_of(base..':state')) do\n"
    "  recs[id] = read(text) end\n"
    "for id in pairs(tasks) do if not recs[id] then\n"
    "  recs[id] = {status = 'QUEUED', fence = '0', token = '-'} end end\n"
    /* Parents: each will tell, or has sent word. */
    "local function parent(id, ref)\n"
    "  local group, pid = string.match(ref, '^(.-)/(.+)$')\n"
    "  local pbase = '{stint:'..group..'}'\n"
    "  local me = own..'/'..id\n"
    "  local p = redis.call('HGET', pbase..':state', pid)\n"
    "  p = p and read(p)\n"
    "  local told = has(pbase..':children:'..pid, me)\n"
    "  if p and p.kids and told == '0' and (not ENDED[p.status]\n"
    "    or has(pbase..':endings', pid)) then return true end\n"
    "  if group == own then return false end\n"
    "  if has(base..':messages', 'link '..group..' '..pid..' '..me..' -')\n"
    "    then return true end\n"
    "  for _, m in ipairs(redis.call('ZRANGE', pbase..':messages', 0, -1)) do\n"
    "    if string.find(m, 'ended '..own..' '..id..' '..ref..' ', 1, true)\n"
    "      then return true end end\n"
    "  return false end\n"
    "for id, r in pairs(recs) do\n"
    "  local run = redis.call('HEXISTS', base..':run', id) == 1\n"
    "  local ended = ENDED[r.status]\n"
    "  if r.of then\n"
    "    n_parts[r.of] = (n_parts[r.of] or 0) + 1\n"
    "    local b = recs[r.of]\n"
    "    if not b or b.status ~= 'RUNNING' or not b.cast then\n"
    "      fault(id, 'is a part of nothing') end\n"
    "    if ended then fault(id, 'is an ended part') end\n"
    "  end\n"
    "  if r.wait then\n"
    "    if r.status ~= 'QUEUED' then fault(id, 'waits') end\n"
    "    for _, ref in ipairs(redis.call('SMEMBERS', base..':parents:'..id))\n"
    "    do if not parent(id, ref) then\n"
    "      fault(id, 'waits for ever for '..ref) end end\n"
    "  elseif redis.call('EXISTS', base..':parents:'..id) == 1 then\n"
    "    fault(id, 'has parents but does not wait') end\n"
    "  if r.stopping and r.status ~= 'RUNNING' then\n"
    "    fault(id, 'is '..r.status..' and stopping') end\n"
    "  if r.live and (r.status ~= 'RUNNING' or not run) then\n"
    "    fault(id, 'is live') end\n"
    "  if run and not r.live and not ended then\n"
    "    fault(id, 'has output') end\n"
    "  if ended and (r.parts or r.open or r.parked) then\n"
    "    fault(id, 'ended with leftovers') end\n"
    "  if r.status == 'QUEUED' and not r.disabled and not r.wait and\n"
    "    not r.cast and not r.of and r.level and\n"
    "    (r.parked or not r.lost) then\n"
    "    local l = r.level\n"
    "    if r.parked then l = l..':'..string.match(tasks[id],\n"
    "      '^%S+') end\n"
    "    if not has(base..':levels', l) then fault(id, 'has no level') end\n"
    "  end\n"
    "end\n"
    "for id, r in pairs(recs) do if r.cast and r.status == 'RUNNING' then\n"
    "  if tonumber(r.open or 0) ~= (n_parts[id] or 0) or not r.open or\n"
    "    r.open == '0' then fault(id, 'open='..(r.open or '-')\n"
    "      ..' parts: '..(n_parts[id] or 0)) end end end\n"
    /* What hangs on tasks and workers. */
    "for _, key in ipairs(redis.call('KEYS', base..':*')) do\n"
    "  local kind, name = string.match(string.sub(key, #base + 2),\n"
    "    '^(%l+):(.+)$')\n"
    "  local r = name and recs[name]\n"
    "  if kind == 'parents' and not (r and r.wait) then\n"
    "    fault(name, 'has parents') end\n"
    "  if kind == 'children' and not (r and r.kids) then\n"
    "    fault(name, 'has children') end\n"
    "  if kind == 'run' and (not r or tasks[name] == '-' or r.of) then\n"
    "    fault(name, 'has runs') end\n"
    "  if (kind == 'running' or kind == 'assigned' or kind == 'cast' or\n"
    "    kind == 'stops' or kind == 'signal') and\n"
    "    not has(base..':workers', name) then\n"
    "    fault(name, 'has '..key) end\n"
    "  if kind == 'stops' then\n"
    "    for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do\n"
    "      local s = recs[id]\n"
    "      if not s or not s.stopping or s.worker ~= name then\n"
    "        fault(id, 'is in '..key) end end end\n"
    "end\n"
    "for _, name in ipairs(redis.call('ZRANGE', base..':resting', 0, -1)) do\n"
    "  if not has(base..':workers', name) then fault(name, 'rests') end end\n"
    /* Whoever sleeps is woken in time. */
    "local function wakes(key, mark)\n"
    "  local due = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]\n"
    "  local at = has(mark, 'w')\n"
    "  if due and (not at or tonumber(at) > tonumber(due)) then\n"
    "    fault(key, 'wakes nobody') end end\n"
    "wakes(base..':queued', base..':wake')\n"
    "wakes(base..':suspects', base..':wake:!lost')\n"
    "for _, l in ipairs(redis.call('ZRANGE', base..':levels', 0, -1)) do\n"
    "  local fn = string.match(l, ':(.+)$')\n"
    "  wakes(base..':queued:'..l, base..':wake'..(fn and ':'..fn or '')) end\n"
    /* What may follow what, and tickets that grow. */
    "local last = pairs_of('last:'..own)\n"
    "local HELD = {ASSIGNED = 1, RUNNING = 1}\n"
    "for id, text in pairs(last) do\n"
    "  local was, r = read(text), recs[id]\n"
    "  local from, to = was.status, r and r.status or 'GONE'\n"
    "  local change = from..' -> '..to\n"
    "  if was.task and to == 'GONE' and not string.find(verb, '^delete')\n"
    "    and not (ENDED[from] and (verb == 'prune' or verb == 'report'))\n"
    "    and not string.find(id, '@') then fault(id, change) end\n"
    "  if to ~= 'GONE' and ENDED[from] and to ~= from\n"
    "    and verb ~= 'requeue_task' and verb ~= 'queue_task' then\n"
    "    fault(id, change) end\n"
    /* A run that is over is in the history, once; but one that nobody had, as
     * an assign reply that was lost, was none. */
    "  local kept = {}\n"
    "  for _, line in ipairs(redis.call('LRANGE', base..':run:'..id, 0, -1))\n"
    "  do local run, start = string.match(line, '^%u+ (%d+ %S+) (%d+) ')\n"
    "    if start ~= '0' and kept[run] then fault(id, 'twice: '..line) end\n"
    "    kept[run] = true end\n"
    "  if from == 'RUNNING' and to == 'QUEUED' and verb ~= 'heartbeat'\n"
    "    and not r.discard and not r.of and not r.cast\n"
    "    and not kept[was.fence..' '..was.worker] then\n"
    "    fault(id, 'its run is in no history') end\n"
    "  if was.stopping and (to == 'RUNNING' and not r.stopping or\n"
    "    to ~= 'RUNNING' and to ~= 'STOPPED' and to ~= 'COMPLETED' and\n"
    "    to ~= 'GONE') then fault(id, 'stopping: '..change) end\n"
    "  if r and HELD[to] and not HELD[from]\n"
    "    and tonumber(r.fence) <= tonumber(was.fence)\n"
    "    and verb ~= 'queue_task' then\n"
    "    fault(id, 'its fence does not grow') end\n"
    "  if r and HELD[to] and HELD[from] and (r.fence ~= was.fence\n"
    "    or r.token ~= was.token) then\n"
    "    fault(id, 'changes hands while it is held') end\n"
    "end\n"
    "redis.call('DEL', 'last:'..own)\n"
    "for id, r in pairs(recs) do\n"
    "  redis.call('HSET', 'last:'..own, id, r.status..' '..r.fence..' '\n"
    "    ..r.token..' '..(r.worker or '-')\n"
    "    ..(tasks[id] ~= '-' and ' task=1' or '')\n"
    "    ..(r.stopping and ' stopping=1' or '')) end\n"
    "return bad\n";

/* ---- Chance ------------------------------------------------------------ */

static unsigned walk_random(unsigned below)
{
    walk.random ^= walk.random << 13;
    walk.random ^= walk.random >> 7;
    walk.random ^= walk.random << 17;
    return (unsigned)((walk.random >> 20) % below);
}

static int one_in(unsigned n)
{
    return walk_random(n) == 0;
}

static const char *walk_id(void)
{
    return rules_text("t%u", walk_random(TASKS));
}

/* One that is there, mostly; or one that is not. */
static const char *walk_id_of(const char *group, int there)
{
    const char *id = walk_id();

    for (int i = 0; i < 5; i++, id = walk_id())
        if ((*rules_redis("HGET {stint:%s}:task %s", group, id) != 0) == there)
            break;
    return id;
}

static const char *walk_there(void)
{
    return walk_id_of(rules_group, 1);
}

static const char *walk_group(void)
{
    return one_in(3) ? "other" : "main";
}

static struct worker *walk_worker(void)
{
    return &walk.workers[walk_random(WORKERS)];
}

/* One that holds something, mostly. */
static struct worker *walk_holder(void)
{
    struct worker *w = walk_worker();

    for (int i = 0; i < 3 && w->n == 0; i++)
        w = walk_worker();
    return w;
}

/* ---- Calls ------------------------------------------------------------- */

static void walk_log(const char *verb, int n, const char *const *args,
                     const char *words)
{
    char *line = walk.log[walk.log_next++ % LOG];
    size_t cap = sizeof(walk.log[0]), used;

    snprintf(line, cap, "%d %+lld %s %s", walk.step,
             (long long)(rules_now - RULES_START), rules_group, verb);
    for (int i = 0; i < n; i++) {
        used = strlen(line);
        snprintf(line + used, cap - used, " '%s'", args[i]);
    }
    used = strlen(line);
    snprintf(line + used, cap - used, " => %s", words);
}

static void walk_look(const char *verb)
{
    static const char *const groups[] = {"main", "other", "main"};

    for (int i = 0; i < 2; i++)
        REDIS("", "EVAL %s 0 %s %s %s", look, verb, groups[i], groups[i + 1]);
}

static const char *walk_call(const char *verb, int n, const char *const *args)
{
    walk_log(verb, n, args, "?");
    const char *words = rules_call(verb, n, args);
    walk.log_next--;
    walk_log(verb, n, args, words);
    walk_look(verb);
    return words;
}

#define CALL(verb, ...) \
    walk_call(verb, \
              (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), \
              (const char *[]){__VA_ARGS__})

/* ---- Queueing ---------------------------------------------------------- */

static const char *walk_rules(int nth, const char *const *ids)
{
    static const char *const some[] = {
        "repeats=0",   "repeats=2",  "repeats=3 period=0", "retry=1 delay=0",
        "retry=2",     "retry=-1",   "delay=300",          "period=0",
        "period=900",  "drift=1",    "level=-1",           "level=1",
        "disabled=1",  "ttl=0",      "ttl=1000",           "discard=1",
        "crashes=1",   "crashes=-1", "cron=1",             "anyway=1",
        "cast=1",      "cast=1",     "level=1.5"};
    char *rules = (char *)rules_text("%s", "");
    unsigned n = walk_random(5), after = one_in(2) ? walk_random(4) : 0;

    for (unsigned i = 0; i < n; i++) {
        const char *rule = some[walk_random(sizeof(some) / sizeof(*some))];
        char key[16];
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(rule, "="), rule);
        if (!strstr(rules, key) && !strstr(rule, "repeats=3"))
            sprintf(rules + strlen(rules), "%s ", rule);
    }
    for (unsigned i = 0; i < after; i++) {
        const char *group = walk_group();
        const char *id = walk_id_of(group, !one_in(20));
        if (nth > 0 && one_in(2)) {
            id = ids[walk_random((unsigned)nth)];
            group = rules_group;
        }
        /* Of another group the caller knows that it is there. */
        if (strcmp(group, rules_group) == 0 ||
            *rules_redis("HGET {stint:%s}:task %s", group, id))
            sprintf(rules + strlen(rules), "after=%s/%s ", group, id);
    }
    return rules;
}

static void step_queue(void)
{
    const char *args[20], *ids[3];
    int n = one_in(3) ? 3 : 1, k = 1;

    args[0] = one_in(8) ? "1" : "0";
    for (int i = 0; i < n; i++) {
        args[k++] = ids[i] = walk_id_of(rules_group, one_in(10));
        args[k++] = one_in(8) ? "odd" : one_in(2) ? "f" : "g";
        args[k++] = rules_text("%+d", (int)walk_random(4000) - 3000);
        args[k++] = one_in(3) ? rules_text("+%u", walk_random(15000)) : "";
        args[k++] = one_in(4) ? "" : walk_rules(i, ids);
        args[k++] = "{}";
    }
    const char *words = walk_call("queue_task", k, args);
    if (*words || !one_in(3))
        return;
    args[0] = "1"; /* the reply was lost: it comes again */
    const char *before = rules_digest();
    assert_string_equal(walk_call("queue_task", k, args), "");
    assert_string_equal(rules_digest(), before);
}

/* ---- Workers ----------------------------------------------------------- */

static void held_add(struct worker *w, const char *id)
{
    struct held *h = NULL;

    for (int i = 0; i < w->n; i++)
        if (w->held[i].group == rules_group &&
            strcmp(w->held[i].id, id) == 0)
            h = &w->held[i];
    if (!h && w->n < HELD)
        h = &w->held[w->n++];
    if (!h)
        return;
    h->group = rules_group;
    snprintf(h->id, sizeof(h->id), "%s", id);
    snprintf(h->ticket, sizeof(h->ticket), "%s", rules_ticket(id));
    snprintf(h->status, sizeof(h->status), "%s", rules_field(id, "status"));
}

static void held_drop(struct worker *w, int i)
{
    w->held[i] = w->held[--w->n];
}

/* One of what it holds of this group, or -1. */
static int held_one(const struct worker *w, const char *status)
{
    int found[HELD], n = 0;

    for (int i = 0; i < w->n; i++)
        if (strcmp(w->held[i].group, rules_group) == 0 &&
            (!*status || strcmp(w->held[i].status, status) == 0))
            found[n++] = i;
    return n ? found[walk_random((unsigned)n)] : -1;
}

/* It slept, and takes the marks that woke it. */
static void worker_wakes(const struct worker *w, const char *functions)
{
    const char *lease = rules_redis("ZSCORE {stint:%s}:workers %s",
                                    rules_group, w->name);
    char *names = (char *)rules_text("%s", functions);

    if (!*lease || strtoll(lease, NULL, 10) < rules_now)
        return;
    rules_redis("DEL {stint:%s}:wake", rules_group);
    for (char *fn = strtok(names, " "); fn; fn = strtok(NULL, " "))
        rules_redis("DEL {stint:%s}:wake:%s", rules_group, fn);
    rules_redis("DEL {stint:%s}:wake:!lost", rules_group);
}

static void worker_assign(struct worker *w, int run, int prefetch,
                          const char *functions, int lost)
{
    const char *args[] = {w->name, rules_text("%d", run),
                          rules_text("%d", prefetch), functions};

    worker_wakes(w, functions);
    walk_log("assign", 4, args, "?");
    const char *ids = rules_assign(w->name, run, prefetch, functions);
    walk.log_next--;
    walk_log("assign", 4, args, ids);
    walk_look("assign");
    if (*ids == '-') {
        assert_memory_equal(ids, "-LEASE", 6);
        return;
    }
    char *copy = (char *)rules_text("%s", ids);
    for (char *id = strtok(copy, " "); id && !lost; id = strtok(NULL, " "))
        held_add(w, rules_text("%s", id));
}

static void step_assign(void)
{
    static const char *const functions[] = {"f", "f g", "f g", "f g odd"};

    worker_assign(walk_worker(), (int)walk_random(4), (int)walk_random(3),
                  functions[walk_random(4)], one_in(8));
}

static void step_start(void)
{
    struct worker *w = walk_holder();
    int at = held_one(w, one_in(8) ? "" : "ASSIGNED");

    if (at < 0)
        return;
    struct held *h = &w->held[at];
    const char *word = CALL("start", w->name, h->id, h->ticket);
    if (strcmp(word, "OK") == 0)
        strcpy(h->status, "RUNNING");
    else if (!one_in(3))
        held_drop(w, at);
}

static void step_progress(void)
{
    struct worker *w = walk_holder();
    int at = held_one(w, "");

    if (at >= 0)
        CALL("progress", w->name, w->held[at].id, w->held[at].ticket,
             "{\"output\":\"x\"}");
}

static void worker_report(struct worker *w, int at, const char *status)
{
    struct held *h = &w->held[at];
    const char *id = rules_text("%s", h->id);
    const char *ticket = rules_text("%s", h->ticket);
    const char *payload = one_in(3) ? "" : "{\"result\":1}";

    CALL("report", w->name, id, ticket, status, payload);
    if (one_in(4)) { /* the reply was lost */
        const char *word = CALL("report", w->name, id, ticket, status,
                                payload);
        assert_true(memcmp(word, "AGAIN", 5) == 0 ||
                    memcmp(word, "STALE", 5) == 0);
    }
    if (!one_in(6))
        held_drop(w, at);
}

static void step_report(void)
{
    static const char *const statuses[] = {"COMPLETED", "COMPLETED",
                                           "COMPLETED", "FAILED",
                                           "TIMEOUT", "STOPPED"};
    struct worker *w = walk_holder();
    int at = held_one(w, one_in(10) ? "" : "RUNNING");
    const char *status = statuses[walk_random(6)];

    if (one_in(3) && strcmp(status, "COMPLETED") == 0)
        status = rules_text("COMPLETED %lld",
                            (long long)rules_now + walk_random(3000));
    if (at >= 0)
        worker_report(w, at, status);
}

static void step_release(void)
{
    struct worker *w = walk_holder();
    int at = held_one(w, "");

    if (at < 0)
        return;
    CALL("release", w->name, w->held[at].id, w->held[at].ticket);
    if (!one_in(6))
        held_drop(w, at);
}

static void step_heartbeat(void)
{
    struct worker *w = walk_worker();
    const char *args[3 + 2 * HELD];
    int list = one_in(3), n = 3;

    args[0] = w->name;
    args[1] = one_in(20) ? "0" : rules_text("%u", 2000 + walk_random(20000));
    args[2] = list ? one_in(8) ? "1r" : "1" : one_in(8) ? "0r" : "0";
    for (int i = 0; list && i < w->n; i++) {
        if (strcmp(w->held[i].group, rules_group) != 0)
            continue;
        args[n++] = rules_text("%s", w->held[i].id);
        args[n++] = rules_text("%s", w->held[i].ticket);
    }
    walk_call("heartbeat", n, args);
}

static void step_forget(void)
{
    walk_worker()->n = 0; /* it crashed, and is there again */
}

/* ---- Clients ----------------------------------------------------------- */

static void step_client(void)
{
    static const char *const verbs[] = {
        "stop_task",   "stop_task",    "requeue_task", "requeue_task",
        "enable_task", "disable_task", "delete_task",  "delete_task",
        "delete_task", "delete_task"};
    const char *verb = verbs[walk_random(10)];
    const char *id = walk_there();

    if (one_in(12)) /* nobody should, but it looks like an id */
        id = rules_text("%s@%u", id, 1 + walk_random(WORKERS));

    if (strcmp(verb, "requeue_task") == 0)
        CALL(verb, id, one_in(2) ? "1" : "0");
    else
        CALL(verb, id);
}

static void step_read(void)
{
    switch (walk_random(5)) {
    case 0:
        CALL("why", walk_there());
        break;
    case 1:
        CALL("family", "10", walk_there(), walk_there());
        break;
    case 2:
        CALL("task_status", "3", walk_there(), walk_there());
        break;
    case 3:
        CALL("stats", "");
        break;
    default:
        CALL("list", "", "", "5", "");
    }
}

/* ---- The reaper -------------------------------------------------------- */

static const char *some(void)
{
    return rules_text("%u", 1 + walk_random(9));
}

/* Carries all messages of the group; some are lost on the way, or what says
 * that they arrived. */
static void walk_messages(int faults)
{
    const char *from = rules_group, *args[5] = {""};
    char *list = (char *)rules_text(
        "%s", rules_redis("ZRANGE {stint:%s}:messages 0 9", from));
    char *word[64];
    int n = 0;

    for (char *t = strtok(list, " "); t && n < 60; t = strtok(NULL, " "))
        word[n++] = t;
    for (int i = 0; i + 5 <= n; i += 5) {
        const char *text = rules_text("%s %s %s %s %s", word[i], word[i + 1],
                                      word[i + 2], word[i + 3], word[i + 4]);
        if (faults && one_in(5))
            continue;
        args[0] = word[i];
        args[1] = word[i + 2];
        args[2] = word[i + 3];
        args[3] = word[i + 4];
        rules_group = strcmp(word[i + 1], "main") == 0 ? "main" : "other";
        walk_call("deliver", 4, args);
        rules_group = from;
        if (!faults || !one_in(5))
            CALL("messages", "9", text);
    }
}

static void step_reaper(void)
{
    struct worker *w = walk_worker();

    switch (walk_random(9)) {
    case 0:
        CALL("expire", some());
        break;
    case 1:
        CALL("fire", some());
        break;
    case 2:
        CALL("settle", some());
        break;
    case 3:
        CALL("recover", some(), "0");
        break;
    case 4:
        if (one_in(6))
            CALL("recover", some(), "0", w->name, "{\"how\":\"signal 9\"}");
        break;
    case 5:
        CALL("prune", some(), one_in(5) ? "3" : "100");
        break;
    case 6:
        CALL("wake", w->name);
        break;
    default:
        walk_messages(1);
    }
}

/* ---- The walk ---------------------------------------------------------- */

static void walk_step(void)
{
    static const struct {
        unsigned weight;
        void (*step)(void);
    } steps[] = {{12, step_queue},     {20, step_assign},  {10, step_start},
                 {6, step_progress},   {20, step_report},  {4, step_release},
                 {12, step_heartbeat}, {1, step_forget},   {16, step_client},
                 {2, step_read},       {12, step_reaper}};
    unsigned sum = 0, at;

    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        sum += steps[i].weight;
    at = walk_random(sum);
    rules_group = walk_group();
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (at < steps[i].weight) {
            steps[i].step();
            break;
        }
        at -= steps[i].weight;
    }
    if (one_in(2))
        rules_now += walk_random(300);
    if (one_in(500))
        rules_now += HOUR;
    if (one_in(2000))
        rules_now += DAY;
}

/* Everybody does what he should. */
static void walk_round(void)
{
    static const char *const groups[] = {"main", "other"};

    for (int g = 0; g < 2; g++) {
        rules_group = groups[g];
        CALL("recover", "100", "0");
        CALL("expire", "100");
        CALL("settle", "100");
        walk_messages(0);
        for (int i = 0; i < WORKERS; i++) {
            struct worker *w = &walk.workers[i];
            CALL("heartbeat", w->name, "100000", "1");
            w->n = 0;
            worker_assign(w, 20, 0, "f g odd", 0);
            for (int at; (at = held_one(w, "RUNNING")) >= 0;)
                worker_report(w, at, "COMPLETED");
        }
    }
    rules_now += 61000;
}

static void walk_every_task(const char *verb)
{
    for (int g = 0; g < 2; g++) {
        rules_group = g ? "other" : "main";
        for (int i = 0; i < TASKS; i++)
            CALL(verb, rules_text("t%d", i));
    }
}

/* How many have not ended, but those without end and those that wait. */
static int walk_count(int all)
{
    int n = 0;

    for (int g = 0; g < 2; g++) {
        rules_group = g ? "other" : "main";
        for (int i = 0; i < TASKS; i++) {
            const char *id = rules_text("t%d", i), *s = rules_status(id);
            if ((strcmp(s, "QUEUED") == 0 || strcmp(s, "RUNNING") == 0 ||
                 strcmp(s, "ASSIGNED") == 0) &&
                (all || (strcmp(rules_field(id, "repeats"), "0") != 0 &&
                         !*rules_field(id, "wait")))) {
                snprintf(walk.log[walk.log_next++ % LOG], sizeof(walk.log[0]),
                         "%s/%s: %s", rules_group, id, rules_record(id));
                n++;
            }
        }
    }
    return n;
}

static void walk_to_the_end(void)
{
    walk_every_task("enable_task");
    for (int i = 0; i < 60 && (i == 0 || walk_count(0) > 0); i++)
        walk_round();
    assert_int_equal(walk_count(0), 0);
    walk_every_task("stop_task");
    for (int i = 0; i < 3; i++)
        walk_round();
    assert_int_equal(walk_count(1), 0);
    rules_now += 2 * DAY;
    for (int g = 0; g < 2; g++) {
        rules_group = g ? "other" : "main";
        CALL("prune", "100", "100");
        for (int i = 0; i < WORKERS; i++)
            CALL("heartbeat", walk.workers[i].name, "0", "0");
        CALL("recover", "100", "0");
        REDIS(rules_text("%s", ""), "HKEYS {stint:%s}:task", rules_group);
        REDIS("", "HKEYS {stint:%s}:state", rules_group);
    }
}

/* Counters, marks and levels may stay; nothing that belonged to a task. */
static void walk_assert_empty(void)
{
    static const char *const fine[] = {":ended", ":wake", ":levels",
                                       ":measures", ":events"};
    const size_t n_fine = sizeof(fine) / sizeof(fine[0]);
    char *keys = (char *)rules_text("%s", rules_redis("KEYS {stint:*"));
    int bad = 0;

    for (char *key = strtok(keys, " "); key; key = strtok(NULL, " ")) {
        const char *kind = strchr(key, '}') + 1;
        size_t i = 0;
        while (i < n_fine && strncmp(kind, fine[i], strlen(fine[i])) != 0)
            i++;
        if (i == n_fine) {
            print_error("%s is left\n", key);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void test_walk(void **state)
{
    const char *steps = getenv("STINT_STEPS");
    int n = steps ? atoi(steps) : STEPS;

    (void)state;
    while (walk.step < n) {
        walk_step();
        walk.step++;
    }
    walk_to_the_end();
    walk_assert_empty();
    walk.done = 1;
}

static int walk_up(void **state)
{
    const char *seed = getenv("STINT_SEED");

    memset(&walk, 0, sizeof(walk));
    walk.seed = seed ? strtoull(seed, NULL, 10) : 1;
    walk.random = walk.seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < WORKERS; i++)
        walk.workers[i].name = i == 0 ? "w1" : i == 1 ? "w2" : "w3";
    return rules_clean(state);
}

static int walk_down(void **state)
{
    (void)state;
    if (walk.done)
        return 0;
    print_error("STINT_SEED=%llu, step %d; the last calls:\n",
                (unsigned long long)walk.seed, walk.step);
    for (int i = walk.log_next < LOG ? 0 : walk.log_next - LOG;
         i < walk.log_next; i++)
        print_error("%s\n", walk.log[i % LOG]);
    return 0;
}

RULES_MAIN(cmocka_unit_test_setup_teardown(test_walk, walk_up, walk_down))
