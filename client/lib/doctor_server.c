/* SPDX-License-Identifier: MIT */
/* How Redis is set up and how it is doing. Of a cluster INFO has the lines of
 * all primaries, and a setting must be the same everywhere. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define OK      STINT_FINDING_OK
#define WARNING STINT_FINDING_WARNING
#define FAULT   STINT_FINDING_FAULT
#define UNKNOWN STINT_FINDING_UNKNOWN

#define MIB (1024.0 * 1024)

static int is_memory(const struct doctor *d)
{
    return d->s->memory.server != NULL;
}

/* ---- Versions ------------------------------------------------------------ */

/* Releases with the fix of what anybody who may send a script could do to the
 * server (CVE-2025-49844 and its like), by their line. */
struct release {
    int major, minor, patch;
};
static const struct release redis_fixed[] = {
    {6, 2, 20}, {7, 2, 11}, {7, 4, 6}, {8, 0, 4}, {8, 2, 2}};
static const struct release valkey_fixed[] = {{7, 2, 11}, {8, 0, 6}, {8, 1, 4}};

static int is_behind(const struct release *v, const struct release *fixed,
                     size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v->major == fixed[i].major && v->minor == fixed[i].minor)
            return v->patch < fixed[i].patch;
    return 0;
}

static int look_version(struct doctor *d, struct finding *f)
{
    char text[32];
    struct release v = {0, 0, 0};
    int valkey = info_text(d->info, "valkey_version", text, sizeof(text));
    if (is_memory(d)) {
        finding_say(f, WARNING, "use it in tests only",
                    "memory: ends with this process");
    } else if (!valkey && !info_text(d->info, "redis_version", text,
                                     sizeof(text))) {
        finding_say(f, UNKNOWN, "run it as a user who may INFO",
                    "Redis does not tell its version");
    } else {
        const char *name = valkey ? "Valkey" : "Redis";
        sscanf(text, "%d.%d.%d", &v.major, &v.minor, &v.patch);
        if (valkey ? is_behind(&v, valkey_fixed, 3)
                   : is_behind(&v, redis_fixed, 5))
            finding_say(f, WARNING, "update it: there are later releases of "
                        "this line with security fixes",
                        "%s %s has known holes", name, text);
        else if (!valkey && v.major < 7)
            finding_say(f, WARNING, "7.0 or later keeps the rules through "
                        "restarts and failovers, and names them in ACLs",
                        "%s %s has no functions: the rules go by EVALSHA", name,
                        text);
        else if (!valkey && v.major == 7 && v.minor == 0)
            finding_say(f, OK, "7.0 has security fixes from distributions "
                        "only: keep the package up to date",
                        "%s %s", name, text);
        else
            finding_say(f, OK, NULL, "%s %s", name, text);
    }
    return 0;
}

static int look_role(struct doctor *d, struct finding *f)
{
    char role[32];
    if (!info_text(d->info, "role", role, sizeof(role)))
        return 0;
    if (strcmp(role, "master") != 0)
        finding_say(f, FAULT, "name the primary, or the Sentinels or the "
                    "cluster, in the URL", "this is a replica (%s)", role);
    else if (info_count(d->info, "loading") > 0)
        finding_say(f, FAULT, "wait; tasks go on by themselves then",
                    "Redis is loading its data");
    else
        finding_say(f, OK, NULL, "primary, %lld replicas connected",
                    (long long)info_count(d->info, "connected_slaves"));
    return 0;
}

/* ---- What is kept -------------------------------------------------------- */

static int look_policy(struct doctor *d, struct finding *f)
{
    char value[SETTING_CAP];
    int rc = info_text(d->info, "maxmemory_policy", value, sizeof(value));
    if (rc == 0) /* more users may INFO than CONFIG GET */
        rc = doctor_setting(d, f, "maxmemory-policy", value);
    if (rc <= 0)
        return rc;
    if (strcmp(value, "noeviction") == 0)
        finding_say(f, OK, NULL, "maxmemory-policy noeviction");
    else
        finding_say(f, FAULT, "CONFIG SET maxmemory-policy noeviction, and in "
                    "redis.conf: when memory is short Redis drops tasks",
                    "maxmemory-policy is %.40s", value);
    return 0;
}

static int look_disk(struct doctor *d, struct finding *f)
{
    char on[SETTING_CAP], sync[SETTING_CAP];
    int rc = doctor_setting(d, f, "appendonly", on);
    if (rc > 0)
        rc = doctor_setting(d, f, "appendfsync", sync);
    if (rc <= 0)
        return rc;
    int is_on = strcmp(on, "yes") == 0;
    d->level = !is_on ? 0 : strcmp(sync, "always") == 0 ? 2 : 1;
    if (!is_on)
        finding_say(f, FAULT, "CONFIG SET appendonly yes, and in redis.conf: a "
                    "stop of Redis loses all since its last snapshot",
                    "no append-only file: nothing is promised");
    else if (strcmp(sync, "no") == 0)
        finding_say(f, WARNING, "CONFIG SET appendfsync everysec (or always)",
                    "appendfsync no: a power cut loses up to half a minute");
    else if (d->level == 1)
        finding_say(f, d->wanted > 1 ? FAULT : OK, d->wanted > 1
                        ? "CONFIG SET appendfsync always, and in redis.conf"
                        : "a stop of Redis may lose the calls it answered in "
                          "its last second or two; appendfsync always loses "
                          "none (level 2)",
                    "append-only file, appendfsync everysec: level 1");
    else
        finding_say(f, OK, NULL, "append-only file, appendfsync always: level "
                    "2");
    return 0;
}

static int look_disk_state(struct doctor *d, struct finding *f)
{
    static const char *const states[] = {"aof_last_write_status",
                                         "aof_last_bgrewrite_status",
                                         "rdb_last_bgsave_status"};
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
        for (const char *at = d->info;
             (at = info_find(at, states[i])) != NULL;)
            if (strncmp(at, "ok", 2) != 0) {
                finding_say(f, i == 0 ? FAULT : WARNING, i == 0
                            ? "free its disk; if it goes on refusing writes "
                              "(MISCONF): CONFIG SET appendonly no, then yes; "
                              "nothing is kept until that rewrite has ended"
                            : "look for room on its disk and memory for a "
                              "fork, and at Redis's log",
                            "%s is %.*s", states[i], (int)strcspn(at, "\r\n"),
                            at);
                return 0;
            }
    if (info_find(d->info, states[0]) == NULL)
        return 0;
    /* A log that was cut in the middle of a script keeps that open, and the
     * start after next carries a part of it out (seen with 7.0.15). */
    char rewritten[16];
    info_text(d->info, "aof_last_rewrite_time_sec", rewritten,
              sizeof(rewritten));
    finding_say(f, OK, strcmp(rewritten, "-1") == 0 && info_count(d->info,
                "aof_enabled") > 0
                    ? "its log was not rewritten since it started: if it did "
                      "not stop cleanly before, run BGREWRITEAOF once"
                    : NULL,
                "the last writes to disk went well");
    return 0;
}

static int look_replicas(struct doctor *d, struct finding *f)
{
    char value[SETTING_CAP];
    int rc = doctor_setting(d, f, "min-replicas-to-write", value);
    if (rc <= 0)
        return rc;
    long wanted = strtol(value, NULL, 10);
    long long good = info_find(d->info, "min_slaves_good_slaves") != NULL
                         ? info_count(d->info, "min_slaves_good_slaves")
                         : info_count(d->info, "connected_slaves");
    if (wanted > 0 && good < wanted)
        finding_say(f, FAULT, "start its replicas, or lower "
                    "min-replicas-to-write: writes are refused (NOREPLICAS)",
                    "%lld of %ld replicas are there", good, wanted);
    else if (wanted > 0) {
        if (d->level == 2)
            d->level = 3;
        finding_say(f, d->wanted == 3 && d->level < 3 ? FAULT : OK,
                    d->level < 3 ? "level 3 also needs appendfsync always"
                                 : NULL,
                    "%lld replicas, writes need %ld%s", good, wanted,
                    d->level == 3 ? ": level 3" : "");
    } else if (d->wanted == 3)
        finding_say(f, FAULT, "CONFIG SET min-replicas-to-write 1, with a "
                    "replica", "min-replicas-to-write is 0: not level 3");
    else
        finding_say(f, OK, NULL, "min-replicas-to-write is 0: a lost primary "
                    "takes its last writes with it");
    return 0;
}

/* ---- Memory and connections ---------------------------------------------- */

static int look_memory(struct doctor *d, struct finding *f)
{
    double used = (double)info_count(d->info, "used_memory");
    double max = (double)info_count(d->info, "maxmemory");
    double host = (double)info_count(d->info, "total_system_memory");
    if (used <= 0)
        return 0;
    if (max > 0 && used > max)
        finding_say(f, FAULT, "raise maxmemory, or let workers drain: they "
                    "can; queueing is refused (OOM)",
                    "%.1f MiB used, above maxmemory %.1f MiB", used / MIB,
                    max / MIB);
    else if (max > 0 && used > 0.9 * max)
        finding_say(f, WARNING, "raise maxmemory, or shorten --result-ttl",
                    "%.1f MiB used of maxmemory %.1f MiB", used / MIB,
                    max / MIB);
    else if (host > 0 && used > 0.45 * host)
        finding_say(f, WARNING, "a rewrite of the append-only file may need as "
                    "much again", "%.1f MiB used of the host's %.1f MiB",
                    used / MIB, host / MIB);
    else if (max <= 0)
        finding_say(f, OK, "set maxmemory below the host's memory: then "
                    "queueing is refused in time, and workers can drain",
                    "%.1f MiB used, no maxmemory", used / MIB);
    else
        finding_say(f, OK, NULL, "%.1f MiB used of maxmemory %.1f MiB",
                    used / MIB, max / MIB);
    return 0;
}

static int look_clients(struct doctor *d, struct finding *f)
{
    int64_t n = info_count(d->info, "connected_clients");
    int64_t max = info_count(d->info, "maxclients");
    int64_t refused = info_count(d->info, "rejected_connections");
    if (n <= 0 || max <= 0)
        return 0;
    if (n > max / 10 * 9)
        finding_say(f, WARNING, "raise maxclients; a worker has three "
                    "connections and one for each group",
                    "%lld connections of maxclients %lld", (long long)n,
                    (long long)max);
    else
        finding_say(f, OK, refused > 0 ? "raise maxclients, if that was not "
                    "long ago" : NULL,
                    "%lld connections of maxclients %lld, %lld refused since "
                    "its start", (long long)n, (long long)max,
                    (long long)refused);
    return 0;
}

/* A number of Redis's settings, and what it must not be. */
struct limit_row {
    const char *setting;
    long least, most; /* that are fine */
    const char *advice;
};
static const struct limit_row limit_rows[] = {
    {"timeout", 0, 0, "CONFIG SET timeout 0: idle workers are cut off, and "
                      "come back each time"},
    {"tcp-keepalive", 1, 60, "CONFIG SET tcp-keepalive 60: who is gone holds "
                             "its connection for long"},
    {"busy-reply-threshold", 1000, 60000, "CONFIG SET busy-reply-threshold "
                                          "5000"},
    {"hash-max-listpack-entries", 0, 128, "CONFIG SET "
     "hash-max-listpack-entries 32: small hashes are searched from end to "
     "end"},
};

static int look_limits(struct doctor *d, struct finding *f)
{
    char value[SETTING_CAP];
    for (size_t i = 0; i < sizeof(limit_rows) / sizeof(*limit_rows); i++) {
        const struct limit_row *row = &limit_rows[i];
        if (strcmp(row->setting, "tcp-keepalive") == 0 &&
            info_find(d->info, "tcp_port") != NULL &&
            info_count(d->info, "tcp_port") == 0)
            continue; /* unix sockets need no keepalive */
        int rc = doctor_setting(d, f, row->setting, value);
        if (rc < 0)
            return -1;
        long n = strtol(value, NULL, 10);
        if (rc == 0)
            return 0;
        if (n < row->least || n > row->most) {
            finding_say(f, WARNING, row->advice, "%s is %ld", row->setting, n);
            return 0;
        }
    }
    finding_say(f, OK, NULL, "timeout, tcp-keepalive, busy-reply-threshold and "
                "small hashes are fine");
    return 0;
}

/* ---- Who may come in ----------------------------------------------------- */

static int is_loopback(const char *bind)
{
    for (const char *at = bind; *at != '\0';) {
        at += strspn(at, " -");
        size_t len = strcspn(at, " ");
        if (len > 0 && strncmp(at, "127.", 4) != 0 &&
            !(len == 3 && strncmp(at, "::1", 3) == 0))
            return 0;
        at += len;
    }
    return *bind != '\0'; /* empty: all addresses */
}

/* May anybody do anything? Of ACL LIST the line of user default. */
static int default_is_open(struct doctor *d, struct stint_err *why)
{
    size_t len;
    int is_open = 0;
    struct redisReply *r = ask_server(d->s, "ACL", "LIST", NULL, why);
    if (r == NULL)
        return -1;
    for (size_t i = 0; i < reply_n(r); i++) {
        const char *line = reply_str(r, i, &len);
        if (strncmp(line, "user default on ", 16) == 0 &&
            strstr(line, " nopass ") != NULL)
            is_open = 1;
    }
    client_reply_free(r);
    return is_open;
}

static int look_door(struct doctor *d, struct finding *f)
{
    char bind[SETTING_CAP], port[SETTING_CAP];
    struct stint_err why = {0};
    int rc = doctor_setting(d, f, "bind", bind);
    if (rc > 0)
        rc = doctor_setting(d, f, "port", port);
    if (rc <= 0)
        return rc;
    int is_open = default_is_open(d, &why);
    if (is_open < 0 && why.code != STINT_REDIS)
        return *d->err = why, -1;
    int is_near = strcmp(port, "0") == 0 || is_loopback(bind);
    if (is_open < 0)
        finding_say(f, UNKNOWN, "run it as a user who may ACL LIST", "%.200s",
                    why.text);
    else if (is_open && !is_near)
        finding_say(f, FAULT, "give user default a password or turn it off "
                    "(deploy/users.acl), and bind to what workers need",
                    "everybody who reaches %.100s may do everything", bind);
    else if (is_open)
        finding_say(f, OK, "deploy/users.acl has users with no more rights "
                    "than clients and workers need",
                    "no password, but reached from this host only");
    else
        finding_say(f, OK, NULL, "user default needs a password or is off");
    return 0;
}

static int look_debug(struct doctor *d, struct finding *f)
{
    char value[SETTING_CAP];
    struct stint_err why = {0};
    int rc = ask_setting(d->s, "enable-debug-command", value, &why);
    if (rc < 0)
        return *d->err = why, -1;
    if (rc == 1 && strcmp(value, "no") != 0) /* before 7.0 there is none */
        finding_say(f, WARNING, "enable-debug-command no, in redis.conf",
                    "DEBUG is allowed (%.20s)", value);
    return 0;
}

const struct doctor_look doctor_server_looks[] = {
    {"server", look_version},     {"role", look_role},
    {"eviction", look_policy},    {"persistence", look_disk},
    {"disk", look_disk_state},    {"replicas", look_replicas},
    {"memory", look_memory},      {"connections", look_clients},
    {"settings", look_limits},    {"access", look_door},
    {"debug", look_debug},        {NULL, NULL},
};
