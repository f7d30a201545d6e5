/* SPDX-License-Identifier: MIT */
/* All names are looked up when the configuration is loaded. */
#define _GNU_SOURCE /* getgrouplist, the raw calls that set users */
#include "account.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "err.h"
#include "entries.h"

#define ENTRY_BYTES_MAX 16384 /* of one in the user database */
#define GROUPS_OF_MAX   1024  /* supplementary ones of a user */

static int nomem(struct stint_err *err)
{
    return err_set(err, STINT_NOMEM, "out of memory");
}

static int number_read(const char *text, unsigned *n)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno ||
        value >= UINT32_MAX)
        return -1;
    *n = (unsigned)value;
    return 0;
}

static int group_find(struct account *a, const char *name,
                      struct stint_err *err)
{
    char data[ENTRY_BYTES_MAX];
    struct group group, *found = NULL;
    unsigned number;

    if (getgrnam_r(name, &group, data, sizeof(data), &found) == 0 && found)
        a->gid = group.gr_gid;
    else if (number_read(name, &number) == 0)
        a->gid = number;
    else
        return err_set(err, STINT_INVALID, "user: no group \"%.60s\"", name);
    return 0;
}

static int env_make(struct account *a, const struct passwd *p)
{
    a->env = calloc(4, sizeof(char *));
    if (!a->env)
        return -1;
    a->env[0] = entry_join("HOME=", p->pw_dir);
    a->env[1] = entry_join("USER=", p->pw_name);
    a->env[2] = entry_join("LOGNAME=", p->pw_name);
    return a->env[0] && a->env[1] && a->env[2] ? 0 : -1;
}

/* A number without an entry has no groups and no home. */
static int user_find(struct account *a, const char *name, int has_group,
                     struct stint_err *err)
{
    char data[ENTRY_BYTES_MAX];
    struct passwd entry, *found = NULL;
    unsigned number = 0;
    int is_number = number_read(name, &number) == 0;

    if (getpwnam_r(name, &entry, data, sizeof(data), &found) != 0 || !found)
        if (is_number)
            getpwuid_r(number, &entry, data, sizeof(data), &found);
    a->uid = found ? entry.pw_uid : number;
    if (!found && (!is_number || !has_group))
        return err_set(err, STINT_INVALID, "user: no user \"%.60s\"%s", name,
                       is_number ? "; a number needs a group: \"1:1\"" : "");
    if (!found)
        return 0;
    if (!has_group)
        a->gid = entry.pw_gid;
    a->groups = calloc(GROUPS_OF_MAX, sizeof(*a->groups));
    if (!a->groups || env_make(a, &entry) < 0)
        return nomem(err);
    a->n_groups = GROUPS_OF_MAX;
    if (getgrouplist(entry.pw_name, a->gid, a->groups, &a->n_groups) < 0)
        return err_set(err, STINT_INVALID, "user: %.60s is in over %d groups",
                       name, GROUPS_OF_MAX);
    return 0;
}

void account_close(struct account *a)
{
    free(a->text);
    free(a->groups);
    entries_free(a->env);
    a->text = NULL;
    a->groups = NULL;
    a->n_groups = 0;
    a->env = NULL;
}

/* Whoever is not root can be himself only, and that needs nothing done. */
int account_read(struct account *a, const json_t *value,
                     struct stint_err *err)
{
    const char *text = json_string_value(value);
    const char *colon = text ? strchr(text, ':') : NULL;
    char name[64];
    size_t len;

    if (!text)
        return err_set(err, STINT_INVALID,
                       "user must be \"user\" or \"user:group\"");
    len = colon ? (size_t)(colon - text) : strlen(text);
    if (len == 0 || len >= sizeof(name))
        return err_set(err, STINT_INVALID, "user: no user \"%.60s\"", text);
    memcpy(name, text, len);
    name[len] = '\0';
    if (colon && group_find(a, colon + 1, err) < 0)
        return -1;
    if (user_find(a, name, colon != NULL, err) < 0)
        return -1;
    if (geteuid() != 0) {
        int is_self = a->uid == geteuid() && a->gid == getegid();

        account_close(a);
        return is_self ? 0 : err_set(err, STINT_INVALID, "user: only root can "
                                     "run tasks as %.60s", text);
    }
    a->text = entry_join("user ", text);
    return a->text ? 0 : nomem(err);
}

/* Of the process only; glibc's own would have all threads follow, and those it
 * knows are not the child's. */
int account_apply(const struct account *a)
{
#ifdef SYS_setresuid32 /* the others have 16 bits there */
    const long groups = SYS_setgroups32, gid = SYS_setresgid32,
               uid = SYS_setresuid32;
#else
    const long groups = SYS_setgroups, gid = SYS_setresgid,
               uid = SYS_setresuid;
#endif

    if (!a->text)
        return 0;
    if (syscall(groups, (size_t)a->n_groups, a->groups) < 0 ||
        syscall(gid, a->gid, a->gid, a->gid) < 0)
        return -1;
    return syscall(uid, a->uid, a->uid, a->uid) < 0 ? -1 : 0;
}
