/* SPDX-License-Identifier: MIT */
/* stint queue-task --file: a file is read twice. First every line is checked,
 * and ids that are given are looked for in the file and in Redis; then, if all
 * is well, the tasks are queued: a chunk at a time, so that a file of millions
 * takes little memory. Tasks that depend on others are queued in one go, for
 * the others may stand on any line. */
#include "queue_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

enum {
    CHUNK = 10000,
    FAMILY_MAX = 1000000, /* tasks held at once, if they have parents */
    ASKED_AT_ONCE = 500,
    BAD_SHOWN = 20
};

/* An explicit id met before, by two hashes. */
struct seen {
    uint64_t a, b;
    size_t line; /* 0: free */
};

/* An explicit id that Redis has to be asked about. */
struct asked {
    size_t line;
    char id[STINT_ID_LEN + 1];
    char group[STINT_NAME_LEN + 1];
};

struct bulk {
    const struct common *common;
    const char *name; /* of the file, for messages */
    FILE *file;
    stint *s; /* opened when first needed */
    char *text;
    size_t room;
    size_t line;  /* number of the line in text */
    size_t lines; /* that hold a task */
    bool family;  /* some depend on others */
    bool is_away; /* Redis: no more questions */
    size_t bad, last_bad;
    size_t spooled; /* tasks */
    struct seen *seen;
    size_t n_seen, seen_room; /* a power of two */
    struct asked *asked;
    size_t n_asked;
    struct progress progress;
};

static void line_bad(struct bulk *b, size_t line, const char *field,
                     const char *text)
{
    if (b->last_bad != line) {
        b->bad++;
        b->last_bad = line;
    }
    if (b->bad > BAD_SHOWN)
        return;
    if (field)
        message("%s:%zu: %s: %s", b->name, line, field, text);
    else
        message("%s:%zu: %s", b->name, line, text);
}

/* The next line that is not blank, in b->text; its length, or -1 at the end
 * or when reading failed. */
static ssize_t line_next(struct bulk *b)
{
    ssize_t len;
    while ((len = getline(&b->text, &b->room, b->file)) >= 0) {
        b->line++;
        while (len && strchr(" \t\r\n", b->text[len - 1]) && b->text[len - 1])
            len--;
        b->text[len] = 0;
        if (len && strspn(b->text, " \t") != (size_t)len)
            return len;
    }
    return -1;
}

static void seen_put(struct seen *table, size_t room, const struct seen *one)
{
    size_t i = (size_t)one->a & (room - 1);
    while (table[i].line)
        i = (i + 1) & (room - 1);
    table[i] = *one;
}

static void seen_grow(struct bulk *b)
{
    size_t room = b->seen_room ? 2 * b->seen_room : 1024;
    struct seen *table = memory_new(room, sizeof *table);
    for (size_t i = 0; i < b->seen_room; i++)
        if (b->seen[i].line)
            seen_put(table, room, &b->seen[i]);
    free(b->seen);
    b->seen = table;
    b->seen_room = room;
}

static uint64_t text_hash(uint64_t h, const char *text, uint64_t factor)
{
    do {
        h = (h ^ (unsigned char)*text) * factor;
        h ^= h >> 29;
    } while (*text++);
    return h;
}

/* The line where this id of this group was met before; 0: it is new. */
static size_t seen_add(struct bulk *b, const char *group, const char *id)
{
    if (4 * (b->n_seen + 1) > 3 * b->seen_room)
        seen_grow(b);
    struct seen one = {.line = b->line};
    one.a = text_hash(text_hash(0x9e3779b97f4a7c15u, group, 0x100000001b3u), id,
                      0x100000001b3u);
    one.b =
        text_hash(text_hash(0xc2b2ae3d27d4eb4fu, group, 0xff51afd7ed558ccdu),
                  id, 0xff51afd7ed558ccdu);
    size_t i = (size_t)one.a & (b->seen_room - 1);
    for (; b->seen[i].line; i = (i + 1) & (b->seen_room - 1))
        if (b->seen[i].a == one.a && b->seen[i].b == one.b)
            return b->seen[i].line;
    b->seen[i] = one;
    b->n_seen++;
    return 0;
}

static int bulk_open(struct bulk *b)
{
    int status = EXIT_DONE;
    if (!b->s)
        b->s = common_open(b->common, &status);
    return status;
}

/* Asks for all waiting ids of the group of the `first`. */
static int group_ask(struct bulk *b, size_t first)
{
    struct asked *rows = b->asked;
    const char *ids[ASKED_AT_ONCE] = {0};
    size_t of[ASKED_AT_ONCE] = {0};
    unsigned char exists[ASKED_AT_ONCE] = {0};
    struct stint_err err = {0};
    size_t n = 0;
    for (size_t i = first; i < b->n_asked; i++)
        if (rows[i].line && !strcmp(rows[i].group, rows[first].group)) {
            of[n] = i;
            ids[n++] = rows[i].id;
        }
    if (stint_ids_exist(b->s, rows[first].group, ids, n, exists, &err)) {
        if (!b->common->spool || error_status(err.code) != EXIT_REDIS)
            return error_print(&err);
        memset(exists, 0, sizeof exists); /* the replay will find them */
        b->is_away = true;
    }
    for (size_t i = 0; i < n; i++) {
        if (exists[i])
            line_bad(b, rows[of[i]].line, "id", "already there");
        if (of[i] != first)
            rows[of[i]].line = 0;
    }
    return EXIT_DONE;
}

static int ids_ask(struct bulk *b)
{
    int status = b->n_asked ? bulk_open(b) : EXIT_DONE;
    for (size_t i = 0; !status && !b->is_away && i < b->n_asked; i++)
        if (b->asked[i].line)
            status = group_ask(b, i);
    b->n_asked = 0;
    return status;
}

/* Has this line an id of its own? And does it depend on others? */
static bool line_look(struct bulk *b, size_t len)
{
    json_error_t error;
    json_t *o = json_loadb(b->text, len, JSON_ALLOW_NUL, &error);
    json_t *id = json_object_get(o, "id");
    bool has = id && !json_is_null(id);
    if (json_array_size(json_object_get(o, "depends_on")) > 0)
        b->family = true;
    json_decref(o);
    return has;
}

static int id_check(struct bulk *b, const stint_task *task)
{
    const char *id = stint_task_id(task), *group = stint_task_group(task);
    size_t before = seen_add(b, group, id);
    if (before) {
        char text[64];
        snprintf(text, sizeof text, "the same as on line %zu", before);
        line_bad(b, b->line, "id", text);
        return EXIT_DONE;
    }
    struct asked *a = &b->asked[b->n_asked++];
    a->line = b->line;
    snprintf(a->id, sizeof a->id, "%s", id);
    snprintf(a->group, sizeof a->group, "%s", group);
    return b->n_asked == ASKED_AT_ONCE ? ids_ask(b) : EXIT_DONE;
}

static stint_task *line_task(struct bulk *b, size_t len)
{
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    stint_task *task = stint_task_from_json(b->text, len, &errors, &err);
    if (task)
        return task;
    for (size_t i = 0; i < errors.n; i++)
        line_bad(b, b->line, errors.at[i].field, errors.at[i].text);
    if (!errors.n)
        line_bad(b, b->line, NULL,
                 err.text[0] ? err.text : stint_code_text(err.code));
    return NULL;
}

/* Pass 1: every line, nothing queued. */
static int file_check(struct bulk *b)
{
    ssize_t len;
    int status = EXIT_DONE;
    while (!status && (len = line_next(b)) >= 0) {
        stint_task *task = line_task(b, (size_t)len);
        b->lines++;
        if (task && line_look(b, (size_t)len))
            status = id_check(b, task);
        if (task)
            stint_task_free(task);
    }
    if (!status && ferror(b->file)) {
        message("%s: cannot be read", b->name);
        return EXIT_USAGE;
    }
    if (!status)
        status = ids_ask(b);
    if (b->family && b->lines > FAMILY_MAX) {
        message("%s: tasks that depend on others are queued in one go, at "
                "most %d; these are %zu",
                b->name, FAMILY_MAX, b->lines);
        status = EXIT_USAGE;
    }
    if (b->bad > BAD_SHOWN)
        message("%s: %zu more bad lines", b->name, b->bad - BAD_SHOWN);
    if (b->bad)
        message("%s: nothing was queued", b->name);
    return !status && b->bad ? EXIT_USAGE : status;
}

static void id_print(const struct bulk *b, const stint_task *task, int spooled)
{
    if (b->common->json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_text(&j, "id", stint_task_id(task));
        if (spooled)
            json_bool(&j, "spooled", true);
        json_shut(&j, '}');
        putchar('\n');
    } else
        puts(stint_task_id(task));
}

const char *depends_on_find(const struct stint_err *err)
{
    static const char field[] = "depends_on";
    const char *at = strstr(err->text, ": depends_on"); /* behind an id */
    at = at ? at + 2 : err->text;
    if (strncmp(at, field, sizeof field - 1) ||
        (err->code != STINT_NOT_FOUND && err->code != STINT_INVALID))
        return NULL;
    at += sizeof field - 1;
    return at + strspn(at, ": ");
}

/* What became of a chunk that was not queued as a whole. */
static int chunk_failed(struct bulk *b, const struct stint_err *err,
                        size_t line)
{
    const char *depends_on = depends_on_find(err);
    int status = depends_on || err->code == STINT_INVALID
                     ? EXIT_USAGE
                     : error_status(err->code);
    progress_end(&b->progress);
    if (line && err->code == STINT_EXISTS)
        line_bad(b, line, "id", err->text[0] ? err->text : "already there");
    else if (line && depends_on)
        line_bad(b, line, "depends_on", depends_on);
    else
        error_print(err);
    message("%s: %zu of %zu tasks were queued; exit status %d", b->name,
            b->progress.base, b->lines, status);
    if (b->family && b->progress.base)
        message("%s: these need not be the first ones: parents go before "
                "their children",
                b->name);
    if (err->code == STINT_UNKNOWN)
        message("%s: tasks after these may have been queued too", b->name);
    return status ? status : EXIT_FAILED;
}

/* Queues a chunk; lines[i] is the line of tasks[i]. */
static int chunk_queue(struct bulk *b, stint_task *const *tasks,
                       const size_t *lines, size_t n)
{
    struct stint_err err = {0};
    size_t done = 0, bad = n;
    int rc = stint_queue_tasks(b->s, tasks, n, &done, &bad, progress_update,
                               &b->progress, &err);
    if (rc >= 0)
        done = n;
    if (rc > 0)
        b->spooled += n;
    /* Of a family the first ones queued are not the first ones here. */
    for (size_t i = 0; i < done && i < n && (rc >= 0 || !b->family); i++)
        id_print(b, tasks[i], rc);
    b->progress.base += done;
    bool named = err.code == STINT_EXISTS || err.code == STINT_INVALID ||
                 err.code == STINT_NOT_FOUND;
    if (rc > 0)
        progress_update(0, n, &b->progress);
    return rc < 0 ? chunk_failed(b, &err, named && bad < n ? lines[bad] : 0)
              : EXIT_DONE;
}

/* Pass 2: the same lines again. */
static int file_queue(struct bulk *b)
{
    size_t room = b->family ? b->lines : CHUNK;
    stint_task **tasks = memory_new(room, sizeof *tasks);
    size_t *lines = memory_new(room, sizeof *lines);
    int status = bulk_open(b);
    bool more = true;
    b->line = 0;
    progress_start(&b->progress, b->lines);
    while (!status && more) {
        size_t n = 0;
        while (n < room && !status) {
            ssize_t len = line_next(b);
            more = len >= 0;
            if (!more)
                break;
            lines[n] = b->line;
            tasks[n] = line_task(b, (size_t)len);
            if (tasks[n])
                n++;
            else /* the file changed meanwhile */
                status = EXIT_USAGE;
        }
        if (!status && n)
            status = chunk_queue(b, tasks, lines, n);
        else if (status)
            message("%s: %zu of %zu tasks were queued", b->name,
                    b->progress.base, b->lines);
        for (size_t i = 0; i < n; i++)
            stint_task_free(tasks[i]);
    }
    progress_end(&b->progress);
    if (b->spooled)
        message("Redis is away: %zu tasks wait in %s", b->spooled,
                b->common->spool);
    free(lines);
    free(tasks);
    return status;
}

/* What cannot be read twice is copied. */
static FILE *file_twice(FILE *from)
{
    struct stat st;
    if (from != stdin && !fstat(fileno(from), &st) && S_ISREG(st.st_mode))
        return from;
    FILE *copy = tmpfile();
    char part[65536];
    size_t n = 0;
    while (copy && (n = fread(part, 1, sizeof part, from)) > 0)
        if (fwrite(part, 1, n, copy) != n)
            break;
    bool good = copy && !n && !ferror(from) && !fflush(copy);
    int e = errno;
    if (from != stdin)
        fclose(from);
    if (good) {
        rewind(copy);
        return copy;
    }
    if (copy)
        fclose(copy);
    errno = e;
    return NULL;
}

int queue_file_run(const struct common *common, const char *path)
{
    bool is_stdin = !strcmp(path, "-");
    struct bulk b = {.common = common, .name = is_stdin ? "stdin" : path};
    FILE *from = is_stdin ? stdin : fopen(path, "re");
    if (from)
        b.file = file_twice(from);
    if (!b.file) {
        message("%s: %s", b.name, strerror(errno));
        return EXIT_USAGE;
    }
    b.asked = memory_new(ASKED_AT_ONCE, sizeof *b.asked);
    int status = file_check(&b);
    free(b.seen);
    free(b.asked);
    b.seen = NULL;
    rewind(b.file);
    if (!status && b.lines)
        status = file_queue(&b);
    stint_close(b.s);
    free(b.text);
    fclose(b.file);
    return status;
}
