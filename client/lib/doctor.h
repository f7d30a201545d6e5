/* SPDX-License-Identifier: MIT */
/* Inside of stint_doctor: what a look is, and the tables of them. */
#ifndef STINT_LIB_DOCTOR_H
#define STINT_LIB_DOCTOR_H

#include "ask.h"

struct finding {
    enum stint_finding_state state; /* OK until said otherwise */
    char text[300];
    char advice[400]; /* "": none */
};

/* What the looks have in common. */
struct doctor {
    struct stint *s;
    const char *info; /* INFO's text; "" where it is not allowed */
    int wanted;       /* level of durability, 0: any */
    int level;        /* that Redis is set up for, as far as seen */
    struct stint_err *err;
};

/* One thing to look at. -1: the connection failed, d->err says how. */
struct doctor_look {
    const char *name;
    int (*look)(struct doctor *d, struct finding *f);
};
/* Each ends with a row of NULLs. */
extern const struct doctor_look doctor_server_looks[]; /* doctor_server.c */
extern const struct doctor_look doctor_fleet_looks[];  /* doctor_fleet.c */

/* Say what was found; the advice may be NULL. */
void finding_say(struct finding *f, enum stint_finding_state state,
                 const char *advice, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* As ask_setting; where it cannot be seen the finding says so. */
int doctor_setting(struct doctor *d, struct finding *f, const char *name,
                   char value[SETTING_CAP]);

#endif
