/* SPDX-License-Identifier: MIT */
/* /healthz, and what a client asks first: who am I, where? */
#include <time.h>

#include "handle.h"

int handle_healthz(stint *s, struct call *c, struct stint_err *err)
{
    static const char text[] = "ok\n";
    (void)s, (void)err;
    call_bytes(c, 200, "text/plain; charset=utf-8", text, sizeof(text) - 1);
    return 0;
}

int handle_root(stint *s, struct call *c, struct stint_err *err)
{
    char now[40];
    struct timespec t;
    struct tm tm;
    (void)s, (void)err;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    size_t n = strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(now + n, sizeof(now) - n, ".%03dZ", (int)(t.tv_nsec / 1000000));
    call_json(c, 200,
              json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", "stint",
                        "version", stint_version(), "namespace",
                        call_namespace(c), "user", call_user(c), "role",
                        role_name(call_role(c)), "csrf", call_csrf(c), "now",
                        now));
    return 0;
}
