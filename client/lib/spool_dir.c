/* SPDX-License-Identifier: MIT */
#include "spool_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define NAME_DIGITS 20
#define LOCK_PAUSE_MS 5 /* between two tries for a lock */
#define FILES_MAX 1000000 /* in the directory */

typedef char file_name[NAME_DIGITS + 16];

static void segment_name(file_name name, uint64_t segment, const char *end)
{
    snprintf(name, sizeof(file_name), "%020" PRIu64 "%s", segment, end);
}

/* ---- The directory ------------------------------------------------------- */

static int owner_check(int fd, int is_dir, const char *path,
                       struct stint_err *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return err_errno(err, "spool %.100s", path);
    if (is_dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
        return err_set(err, STINT_INVALID, "spool %.100s: is no %s", path,
                       is_dir ? "directory" : "regular file");
    if (st.st_uid != geteuid())
        return err_set(err, STINT_INVALID,
                       "spool %.100s: belongs to another user", path);
    if ((st.st_mode & 077) != 0)
        return err_set(err, STINT_INVALID,
                       "spool %.100s: others may come in (chmod %s)", path,
                       is_dir ? "700" : "600");
    return 0;
}

/* What a new directory's name is in has to be on the disk, too. */
static int parent_sync(const char *path, struct stint_err *err)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    size_t len = strlen(copy);
    while (len > 1 && copy[len - 1] == '/')
        copy[--len] = '\0';
    char *slash = strrchr(copy, '/');
    if (slash == copy)
        slash[1] = '\0';
    else if (slash != NULL)
        *slash = '\0';
    int fd = open(slash != NULL ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) ? err_errno(err, "spool %.100s", path) : 0;
    if (fd >= 0)
        close(fd);
    free(copy);
    return rc;
}

static int dir_open(struct spool *sp, int create, struct stint_err *err)
{
    int made = create && mkdir(sp->path, 0700) == 0;
    if (create && !made && errno != EEXIST)
        return err_errno(err, "spool %.100s", sp->path);
    sp->dir = open(sp->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sp->dir < 0 && errno == ENOENT)
        return err_set(err, STINT_NOT_FOUND, "there is no spool %.100s",
                       sp->path);
    if (sp->dir < 0)
        return err_errno(err, "spool %.100s", sp->path);
    if (owner_check(sp->dir, 1, sp->path, err))
        return -1;
    return made ? parent_sync(sp->path, err) : 0;
}

struct spool *spool_open(const char *path, int64_t max_bytes, int create,
                         struct stint_err *err)
{
    struct spool *sp = calloc(1, sizeof(*sp));
    if (sp != NULL) {
        sp->dir = -1;
        sp->max_bytes = max_bytes > 0 ? max_bytes : SPOOL_BYTES_MAX;
        sp->path = strdup(path);
    }
    if (sp == NULL || sp->path == NULL)
        err_set(err, STINT_NOMEM, "out of memory");
    else if (dir_open(sp, create, err) == 0)
        return sp;
    spool_close(sp);
    return NULL;
}

void spool_close(struct spool *sp)
{
    if (sp == NULL)
        return;
    if (sp->dir >= 0)
        close(sp->dir);
    free(sp->path);
    free(sp);
}

/* One of its files, checked. -1: err, or, without O_CREAT, errno is ENOENT and
 * err is not set. */
static int file_open(struct spool *sp, const char *name, int flags,
                     struct stint_err *err)
{
    int fd = openat(sp->dir, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        if (errno != ENOENT || (flags & O_CREAT))
            err_errno(err, "spool %.80s/%.40s", sp->path, name);
        return -1;
    }
    if (owner_check(fd, 0, name, err) == 0)
        return fd;
    close(fd);
    errno = EACCES;
    return -1;
}

int spool_lock(struct spool *sp, struct stint *s, const char *name,
               int64_t wait_ms, struct stint_err *err)
{
    int64_t until = clock_mono_ms() + wait_ms;
    int fd = file_open(sp, name, O_RDWR | O_CREAT, err);
    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            err_errno(err, "spool %.80s: %.40s", sp->path, name);
            close(fd);
            return -1;
        }
        if (clock_mono_ms() >= until) {
            err_set(err, STINT_BUSY,
                    "spool %.80s: another process holds its %.40s", sp->path,
                    name);
            close(fd);
            return -1;
        }
        client_sleep(s, LOCK_PAUSE_MS);
    }
    return fd;
}

void spool_lock_end(int lock)
{
    close(lock);
}

/* ---- What is there ------------------------------------------------------- */

static int number_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* N of "N.end"; 0: another name. */
static uint64_t name_number(const char *name, const char *end)
{
    if (strspn(name, "0123456789") != NAME_DIGITS ||
        strcmp(name + NAME_DIGITS, end) != 0)
        return 0;
    return strtoull(name, NULL, 10);
}

static int list_take(struct spool *sp, struct spool_list *list, size_t *room,
                     const char *name)
{
    struct stat st;
    uint64_t segment = name_number(name, ".spool");
    int is_damaged = name_number(name, ".damaged") > 0;
    if ((segment == 0 && !is_damaged && strcmp(name, "refused") != 0) ||
        fstatat(sp->dir, name, &st, AT_SYMLINK_NOFOLLOW))
        return 0;
    list->bytes += st.st_size;
    list->damaged_bytes += is_damaged ? st.st_size : 0;
    if (segment == 0)
        return 0;
    if (list->n == *room) {
        *room = *room > 0 ? 2 * *room : 16;
        uint64_t *more = realloc(list->segments, *room * sizeof(*more));
        if (more == NULL)
            return -1;
        list->segments = more;
    }
    list->segments[list->n++] = segment;
    return 0;
}

int spool_list(struct spool *sp, struct spool_list *list, struct stint_err *err)
{
    size_t room = 0;
    *list = (struct spool_list){0};
    int fd = openat(sp->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        err_errno(err, "spool %.100s", sp->path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    int rc = 0;
    for (int i = 0; rc == 0 && i < FILES_MAX; i++) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (e == NULL) {
            if (errno != 0)
                rc = err_errno(err, "spool %.100s", sp->path);
            break;
        }
        if (list_take(sp, list, &room, e->d_name))
            rc = err_set(err, STINT_NOMEM, "out of memory");
    }
    closedir(dir);
    if (rc != 0)
        spool_list_close(list);
    else if (list->n > 0)
        qsort(list->segments, list->n, sizeof(*list->segments),
              number_compare);
    return rc;
}

void spool_list_close(struct spool_list *list)
{
    free(list->segments);
    *list = (struct spool_list){0};
}

static int file_read(struct spool *sp, int fd, const char *name, char **data,
                     size_t *len, struct stint_err *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return err_errno(err, "spool %.80s/%.40s", sp->path, name);
    *len = 0;
    *data = malloc((size_t)st.st_size + 1);
    if (*data == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    while (*len < (size_t)st.st_size) {
        ssize_t n = pread(fd, *data + *len, (size_t)st.st_size - *len,
                          (off_t)*len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_errno(err, "spool %.80s/%.40s", sp->path, name);
            free(*data);
            return -1;
        }
        if (n == 0)
            break;
        *len += (size_t)n;
    }
    return 0;
}

int spool_segment_read(struct spool *sp, uint64_t segment, char **data,
                       size_t *len, struct stint_err *err)
{
    file_name name;
    segment_name(name, segment, ".spool");
    int fd = file_open(sp, name, O_RDONLY, err);
    if (fd < 0)
        return err_set(err, STINT_NOT_FOUND, "spool: %s is gone", name);
    int rc = file_read(sp, fd, name, data, len, err);
    close(fd);
    if (rc == 0 && spool_is_newer(*data, *len)) {
        free(*data);
        rc = err_set(err, STINT_PROTOCOL, "spool %.80s: a newer version of "
                     "Stint wrote %s", sp->path, name);
    }
    return rc;
}

int spool_segment_end(struct spool *sp, uint64_t segment, int was_damaged,
                      struct stint_err *err)
{
    file_name name, kept;
    segment_name(name, segment, ".spool");
    segment_name(kept, segment, ".damaged");
    int rc = was_damaged ? renameat(sp->dir, name, sp->dir, kept)
                         : unlinkat(sp->dir, name, 0);
    if (rc && errno != ENOENT)
        return err_errno(err, "spool %.80s/%.40s", sp->path, name);
    return fsync(sp->dir) ? err_errno(err, "spool %.100s", sp->path) : 0;
}

/* ---- Appending ----------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t len, off_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return -1;
        }
        data += n;
        len -= (size_t)n;
        at += n;
    }
    return 0;
}

/* Back to how it was, and that on the disk; what was appended failed with
 * errno. */
static int append_undo(struct spool *sp, int fd, const char *name, off_t end,
                       struct stint_err *err)
{
    struct stint_err why = {0};
    err_errno(&why, "spool %.80s/%.40s", sp->path, name);
    if (ftruncate(fd, end) || fsync(fd))
        return err_set(err, STINT_UNKNOWN, "%.150s; whether it is kept is not "
                       "known", why.text);
    return err_set(err, why.code, "%s", why.text);
}

/* Appends to a file at `end`, all or nothing. */
static int file_append(struct spool *sp, int fd, const char *name,
                       const struct buf *start, const struct buf *data,
                       off_t end, struct stint_err *err)
{
    size_t n = start != NULL ? start->len : 0;
    if ((n > 0 && write_all(fd, start->data, n, end)) ||
        write_all(fd, data->data, data->len, end + (off_t)n) || fsync(fd))
        return append_undo(sp, fd, name, end, err);
    if (end == 0 && fsync(sp->dir)) /* a new file's name */
        return append_undo(sp, fd, name, end, err);
    return 0;
}

/* Where a segment's whole frames end; what is behind is cut off. -1: err. */
static int64_t tail_end(struct spool *sp, int fd, uint64_t segment,
                        const char *name, struct stint_err *err)
{
    struct stat st;
    struct spool_frame f;
    char *data;
    size_t len, at = 0;
    if (fstat(fd, &st))
        return err_errno(err, "spool %.80s/%.40s", sp->path, name);
    if (st.st_size == 0 || (segment == sp->tail &&
                            (size_t)st.st_size == sp->tail_end))
        return st.st_size;
    if (spool_segment_read(sp, segment, &data, &len, err))
        return -1;
    enum spool_found found;
    do
        found = spool_next(data, len, &at, &f);
    while (found == SPOOL_FRAME || found == SPOOL_DAMAGE);
    free(data);
    if (found == SPOOL_TORN && ftruncate(fd, (off_t)at))
        return err_errno(err, "spool %.80s/%.40s", sp->path, name);
    return (int64_t)at;
}

/* The segment to append to. 0: err. */
static uint64_t tail_choose(struct spool *sp, const struct spool_list *list,
                            struct stint_err *err)
{
    struct spool_cursor c;
    struct stat st;
    file_name name;
    int known = spool_cursor_load(sp, &c, err);
    if (known == -2)
        return 0;
    uint64_t first = known == 1 && c.segment > 0 ? c.segment : 1;
    if (list->n == 0)
        return first;
    uint64_t last = list->segments[list->n - 1];
    segment_name(name, last, ".spool");
    if (last >= first &&
        fstatat(sp->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_size < SPOOL_SEGMENT_BYTES)
        return last;
    return last + 1 > first ? last + 1 : first;
}

static int tail_append(struct spool *sp, uint64_t segment, int64_t bytes,
                       const struct buf *frame, struct stint_err *err)
{
    file_name name;
    struct buf start;
    segment_name(name, segment, ".spool");
    int fd = file_open(sp, name, O_RDWR | O_CREAT, err);
    if (fd < 0)
        return -1;
    buf_init(&start, SPOOL_START_BYTES);
    int64_t end = tail_end(sp, fd, segment, name, err);
    int rc = end < 0 ? -1 : 0;
    if (rc == 0 && end == 0 && spool_write_start(&start))
        rc = err_set(err, STINT_NOMEM, "out of memory");
    if (rc == 0 &&
        bytes + (int64_t)(frame->len + start.len) > sp->max_bytes)
        rc = err_set(err, STINT_TOO_BIG, "spool %.80s: is full (%" PRId64
                     " of %" PRId64 " bytes)", sp->path, bytes, sp->max_bytes);
    if (rc == 0)
        rc = file_append(sp, fd, name, &start, frame, (off_t)end, err);
    sp->tail = rc == 0 ? segment : 0;
    sp->tail_end = rc == 0 ? (size_t)end + start.len + frame->len : 0;
    close(fd);
    buf_close(&start);
    if (rc != 0 && end == 0) /* it may be one of no bytes */
        unlinkat(sp->dir, name, 0);
    return rc;
}

int spool_append(struct spool *sp, const struct buf *frame,
                 struct stint_err *err)
{
    struct spool_list list;
    if (spool_list(sp, &list, err))
        return -1;
    uint64_t segment = tail_choose(sp, &list, err);
    int rc = segment > 0 ? tail_append(sp, segment, list.bytes, frame, err)
                         : -1;
    spool_list_close(&list);
    return rc;
}

int spool_refuse(struct spool *sp, const struct buf *lines,
                 struct stint_err *err)
{
    struct stat st;
    int fd = file_open(sp, "refused", O_RDWR | O_CREAT, err);
    if (fd < 0)
        return -1;
    int rc = fstat(fd, &st) ? err_errno(err, "spool %.100s", sp->path) : 0;
    if (rc == 0)
        rc = file_append(sp, fd, "refused", NULL, lines, st.st_size, err);
    close(fd);
    return rc;
}

int64_t spool_refused_count(struct spool *sp, struct stint_err *err)
{
    char *data;
    size_t len;
    int64_t n = 0;
    int fd = file_open(sp, "refused", O_RDONLY, err);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    int rc = file_read(sp, fd, "refused", &data, &len, err);
    close(fd);
    if (rc)
        return -1;
    for (size_t i = 0; i < len; i++)
        n += data[i] == '\n';
    free(data);
    return n;
}

/* ---- The cursor ---------------------------------------------------------- */

int spool_cursor_load(struct spool *sp, struct spool_cursor *c,
                      struct stint_err *err)
{
    char *data;
    size_t len;
    *c = (struct spool_cursor){0};
    int fd = file_open(sp, "cursor", O_RDONLY, err);
    if (fd < 0)
        return errno == ENOENT ? 0 : -2;
    int rc = file_read(sp, fd, "cursor", &data, &len, err);
    close(fd);
    if (rc)
        return -2;
    rc = spool_cursor_read(c, data, len) ? -1 : 1;
    free(data);
    return rc;
}

int spool_cursor_store(struct spool *sp, const struct spool_cursor *c,
                       struct stint_err *err)
{
    char data[SPOOL_CURSOR_BYTES];
    spool_cursor_write(c, data);
    int fd = file_open(sp, "cursor.new", O_WRONLY | O_CREAT | O_TRUNC, err);
    if (fd < 0)
        return -1;
    int rc = write_all(fd, data, sizeof(data), 0) || fsync(fd)
                 ? err_errno(err, "spool %.80s/cursor.new", sp->path)
                 : 0;
    close(fd);
    if (rc == 0 && (renameat(sp->dir, "cursor.new", sp->dir, "cursor") ||
                    fsync(sp->dir)))
        rc = err_errno(err, "spool %.80s/cursor", sp->path);
    return rc;
}
