/* SPDX-License-Identifier: MIT */
#include "history_read.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKETS_MAX  500 /* open files */
#define READ_AT_ONCE 512 /* records */

struct history_reader {
    char dir[512];  /* of the bucket files; "": in memory */
    FILE **buckets; /* in memory: NULL */
    size_t n_buckets;
    struct history_entry *entries; /* in memory: all of them */
    size_t n_entries, n_room;
    uint64_t n_records, n_files, n_torn;
};

static int fail(char why[200], const char *what, const char *name)
{
    snprintf(why, 200, "%.20s %.120s: %.50s", what, name, strerror(errno));
    return -1;
}

/* ---- the files of a folder --------------------------------------------------*/

static int is_history(const struct dirent *e)
{
    size_t len = strlen(e->d_name);
    return len > 5 && strcmp(e->d_name + len - 5, ".hist") == 0;
}

static uint64_t files_size(const char *dir, struct dirent **names, int n)
{
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        char path[800];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        if (stat(path, &st) == 0)
            sum += (uint64_t)st.st_size;
    }
    return sum;
}

/* ---- buckets ----------------------------------------------------------------*/

static size_t bucket_of(const char *id, size_t n)
{
    uint64_t hash = 14695981039346656037u;
    for (const char *c = id; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return (size_t)((hash ^ hash >> 32) % n);
}

static void bucket_path(const struct history_reader *h, size_t i,
                        char path[600])
{
    snprintf(path, 600, "%s/%zu", h->dir, i);
}

/* Room for all in memory, or files. */
static int buckets_start(struct history_reader *h, const char *dir,
                         uint64_t size, size_t memory, char why[200])
{
    uint64_t n = size / sizeof(struct history_record);
    uint64_t bytes = n * sizeof(struct history_entry);
    if (bytes <= memory / 2) { /* a sort may take as much again */
        h->n_room = (size_t)n + 1;
        h->entries = calloc(h->n_room, sizeof(*h->entries));
        return h->entries != NULL ? 0 : fail(why, "memory", "of records");
    }
    h->n_buckets = (size_t)(bytes / (memory / 4)) + 2;
    if (h->n_buckets > BUCKETS_MAX) {
        snprintf(why, 200, "more memory is needed: %llu MiB of records",
                 (unsigned long long)(bytes >> 20));
        return -1;
    }
    snprintf(h->dir, sizeof(h->dir), "%.400s/check-XXXXXX", dir);
    if (mkdtemp(h->dir) == NULL) {
        h->dir[0] = '\0';
        return fail(why, "cannot create a folder in", dir);
    }
    h->buckets = calloc(h->n_buckets, sizeof(FILE *));
    if (h->buckets == NULL)
        return fail(why, "memory", "of buckets");
    for (size_t i = 0; i < h->n_buckets; i++) {
        char path[600];
        bucket_path(h, i, path);
        h->buckets[i] = fopen(path, "w+be");
        if (h->buckets[i] == NULL)
            return fail(why, "cannot create", path);
    }
    return 0;
}

static int bucket_add(struct history_reader *h, const struct history_record *r,
                      char why[200])
{
    struct history_entry e = {.record = *r, .seq = h->n_records};
    e.record.id[HISTORY_ID_MAX - 1] = '\0';
    if (r->id[0] == '\0')
        return 0;
    if (h->buckets == NULL) {
        if (h->n_entries == h->n_room) { /* a file grew meanwhile */
            snprintf(why, 200, "the campaign is still being written");
            return -1;
        }
        h->entries[h->n_entries++] = e;
        return 0;
    }
    FILE *to = h->buckets[bucket_of(e.record.id, h->n_buckets)];
    if (fwrite(&e, sizeof(e), 1, to) != 1)
        return fail(why, "cannot write to a bucket in", h->dir);
    return 0;
}

/* ---- the first pass ---------------------------------------------------------*/

static int file_scan(struct history_reader *h, const char *path,
                     history_record_fn each, void *arg, char why[200])
{
    FILE *in = fopen(path, "rbe");
    if (in == NULL)
        return fail(why, "cannot read", path);
    int rc = -1;
    char magic[sizeof(HISTORY_MAGIC) - 1];
    size_t n_magic = fread(magic, 1, sizeof(magic), in);
    if (n_magic != 0 && (n_magic != sizeof(magic) ||
                         memcmp(magic, HISTORY_MAGIC, n_magic) != 0)) {
        snprintf(why, 200, "%.150s is not a history", path);
        goto out;
    }
    struct history_record *batch = calloc(READ_AT_ONCE, sizeof(*batch));
    if (batch == NULL) {
        rc = fail(why, "memory", "to read");
        goto out;
    }
    rc = 0;
    for (;;) {
        size_t bytes = fread(batch, 1, READ_AT_ONCE * sizeof(*batch), in);
        size_t n = bytes / sizeof(*batch);
        for (size_t i = 0; i < n && rc == 0; i++) {
            h->n_records++;
            if (each != NULL)
                each(&batch[i], arg);
            rc = bucket_add(h, &batch[i], why);
        }
        if (bytes % sizeof(*batch) != 0)
            h->n_torn++;
        if (n < READ_AT_ONCE || rc != 0)
            break;
    }
    if (rc == 0 && ferror(in))
        rc = fail(why, "cannot read", path);
    free(batch);
out:
    fclose(in);
    return rc;
}

struct history_reader *history_reader_open(const char *dir, size_t memory,
                                           history_record_fn each, void *arg,
                                           char why[200])
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_history, alphasort);
    if (n < 0) {
        (void)fail(why, "cannot read", dir);
        return NULL;
    }
    int rc = -1;
    struct history_reader *h = calloc(1, sizeof(*h));
    if (h == NULL)
        (void)fail(why, "memory", "of a history");
    else if (n == 0)
        snprintf(why, 200, "%.150s: no *.hist there", dir);
    else
        rc = buckets_start(
            h, dir, files_size(dir, names, n),
            memory < HISTORY_MEMORY_MIN ? HISTORY_MEMORY_MIN : memory, why);
    for (int i = 0; i < n; i++) {
        char path[800];
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        if (rc == 0)
            rc = file_scan(h, path, each, arg, why);
        free(names[i]);
    }
    free(names);
    if (rc != 0) {
        history_reader_close(h);
        return NULL;
    }
    h->n_files = (uint64_t)n;
    return h;
}

/* ---- the second pass --------------------------------------------------------*/

static int entry_order(const void *va, const void *vb)
{
    const struct history_entry *a = va, *b = vb;
    int order = strcmp(a->record.id, b->record.id);
    if (order != 0)
        return order;
    if (a->record.mono_us != b->record.mono_us)
        return a->record.mono_us < b->record.mono_us ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static void entries_hand_out(struct history_entry *entries, size_t n,
                             history_task_fn each, void *arg)
{
    if (n > 1)
        qsort(entries, n, sizeof(*entries), entry_order);
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n &&
               strcmp(entries[i].record.id, entries[end].record.id) == 0)
            end++;
        each(entries + i, end - i, arg);
        i = end;
    }
}

static int bucket_hand_out(FILE *from, history_task_fn each, void *arg,
                           char why[200])
{
    if (fflush(from) != 0 || fseeko(from, 0, SEEK_END) != 0)
        return fail(why, "cannot write to", "a bucket");
    off_t bytes = ftello(from);
    rewind(from);
    size_t n = (size_t)bytes / sizeof(struct history_entry);
    struct history_entry *entries = calloc(n + 1, sizeof(*entries));
    if (entries == NULL)
        return fail(why, "memory", "of a bucket");
    if (fread(entries, sizeof(*entries), n, from) != n) {
        free(entries);
        return fail(why, "cannot read", "a bucket");
    }
    entries_hand_out(entries, n, each, arg);
    free(entries);
    return 0;
}

int history_reader_each_task(struct history_reader *h, history_task_fn each,
                             void *arg, char why[200])
{
    if (h->buckets == NULL) {
        entries_hand_out(h->entries, h->n_entries, each, arg);
        return 0;
    }
    for (size_t i = 0; i < h->n_buckets; i++) {
        if (bucket_hand_out(h->buckets[i], each, arg, why) != 0)
            return -1;
        /* Its room on the disk is free again. */
        if (ftruncate(fileno(h->buckets[i]), 0) != 0)
            return fail(why, "cannot cut", "a bucket");
    }
    return 0;
}

void history_reader_close(struct history_reader *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; h->buckets != NULL && i < h->n_buckets; i++) {
        char path[600];
        bucket_path(h, i, path);
        if (h->buckets[i] != NULL)
            fclose(h->buckets[i]);
        unlink(path);
    }
    if (h->dir[0] != '\0')
        rmdir(h->dir);
    free(h->buckets);
    free(h->entries);
    free(h);
}

uint64_t history_reader_n_records(const struct history_reader *h)
{
    return h->n_records;
}

uint64_t history_reader_n_files(const struct history_reader *h)
{
    return h->n_files;
}

uint64_t history_reader_n_torn(const struct history_reader *h)
{
    return h->n_torn;
}

/* ---- words ------------------------------------------------------------------*/

const char *history_kind_word(unsigned kind)
{
    static const char *const words[] = {"none",
#define X(name, word, text) word,
                                        HISTORY_KINDS(X)
#undef X
    };
    return kind < HISTORY_KINDS_N ? words[kind] : "?";
}

const char *history_status_word(int64_t status)
{
    static const char *const words[] = {
        "-",      "QUEUED",  "ASSIGNED", "RUNNING", "COMPLETED",
        "FAILED", "TIMEOUT", "STOPPED",  "EXPIRED", "LOST",
    };
    return status >= 0 && status <= HS_LOST ? words[status] : "?";
}

const char *history_outcome_word(unsigned outcome)
{
    static const char *const words[] = {"",      "OK",      "AGAIN",
                                        "STALE", "REFUSED", "UNKNOWN"};
    return outcome <= OUTCOME_UNKNOWN ? words[outcome] : "?";
}

static const struct {
    const char *word, *may;
} fault_rows[] = {{"none", "-"},
#define X(name, word, may) {word, may},
                  HISTORY_FAULTS(X)
#undef X
};

const char *history_fault_word(int64_t fault)
{
    return fault >= 0 && fault < HISTORY_FAULTS_N ? fault_rows[fault].word
                                                  : "?";
}

const char *history_fault_may(int64_t fault)
{
    return fault >= 0 && fault < HISTORY_FAULTS_N ? fault_rows[fault].may : "-";
}
