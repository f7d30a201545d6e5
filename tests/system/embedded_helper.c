/* SPDX-License-Identifier: MIT */
/* start: prints the URL; stop; status: prints the pid. For test_embedded.sh. */
#include <stdio.h>
#include <string.h>

#include "embedded.h"

int main(int argc, char **argv)
{
    struct stint_embedded_status st = {0};
    struct stint_err err = {0};
    char url[600] = "";
    const char *what = argc > 1 ? argv[1] : "";
    int rc = -1;

    if (!strcmp(what, "start") &&
        !(rc = embedded_start(url, sizeof(url), &err)))
        printf("%s\n", url);
    if (!strcmp(what, "stop"))
        rc = stint_embedded_stop(&err);
    if (!strcmp(what, "status") && !(rc = stint_embedded_status(&st, &err)))
        printf("%lld\n", (long long)st.pid);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    return rc != 0;
}
