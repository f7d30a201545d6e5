/* SPDX-License-Identifier: MIT */
/* Looks at everything that decides whether Stint keeps its promises here: how
 * Redis is set up, how it is doing, and the fleet. Changes nothing. */
#include "doctor.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

void finding_say(struct finding *f, enum stint_finding_state state,
                 const char *advice, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(f->text, sizeof(f->text), format, args);
    va_end(args);
    f->state = state;
    snprintf(f->advice, sizeof(f->advice), "%s", advice != NULL ? advice : "");
}

int doctor_setting(struct doctor *d, struct finding *f, const char *name,
                   char value[SETTING_CAP])
{
    struct stint_err why = {0};
    int rc = ask_setting(d->s, name, value, &why);
    if (rc == 0)
        finding_say(f, STINT_FINDING_UNKNOWN, "run it as a user who may "
                    "CONFIG GET, INFO and TIME", "%s: %.200s", name, why.text);
    else if (rc < 0)
        err_set(d->err, why.code, "%s", why.text);
    return rc;
}

static int doctor_walk(struct doctor *d, const struct doctor_look *looks,
                       stint_finding_fn fn, void *arg, size_t *n_faults)
{
    for (; looks->name != NULL; looks++) {
        struct finding f = {STINT_FINDING_OK, "", ""};
        if (looks->look(d, &f))
            return -1;
        if (f.text[0] == '\0')
            continue; /* nothing to say here */
        struct stint_finding told = {sizeof(told), looks->name, f.state, f.text,
                                     f.advice[0] != '\0' ? f.advice : NULL};
        *n_faults += f.state == STINT_FINDING_FAULT;
        if (fn(&told, arg))
            return 1;
    }
    return 0;
}

int stint_doctor(stint *s, int durability, stint_finding_fn fn, void *arg,
                 int *level, size_t *n_faults, struct stint_err *err)
{
    struct stint_err why = {0};
    struct doctor d = {.s = s, .info = "", .wanted = durability, .err = err};
    if (durability < 0 || durability > 3)
        return err_set(err, STINT_INVALID, "durability is 1, 2 or 3");
    struct redisReply *info = ask_server(s, "INFO", NULL, NULL, &why);
    if (info == NULL && why.code != STINT_REDIS)
        return err_set(err, why.code, "%s", why.text);
    if (info != NULL && info->str != NULL)
        d.info = info->str;
    *n_faults = 0;
    int rc = doctor_walk(&d, doctor_server_looks, fn, arg, n_faults);
    if (rc == 0)
        rc = doctor_walk(&d, doctor_fleet_looks, fn, arg, n_faults);
    if (level != NULL)
        *level = d.level;
    client_reply_free(info);
    return rc < 0 ? -1 : 0;
}
