/* SPDX-License-Identifier: MIT */
/* stint embedded: the private Redis of this user. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

const char cmd_embedded_usage[] =
    "usage: stint embedded status|stop [options]\n\n"
    "  status            does it run, and where; exit status 1 if not\n"
    "  stop              stop it, after its data is on disk\n";

static int embedded_status(bool json)
{
    struct stint_embedded_status st = {0};
    struct stint_err err = {0};
    if (stint_embedded_status(&st, &err))
        return error_print(&err);
    if (json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_bool(&j, "running", st.running);
        if (st.pid)
            json_count(&j, "pid", st.pid);
        else
            json_text(&j, "pid", NULL);
        json_text(&j, "dir", st.dir);
        json_text(&j, "url", st.url);
        json_shut(&j, '}');
        putchar('\n');
    } else {
        char pid[24] = "";
        if (st.pid)
            snprintf(pid, sizeof pid, "%" PRId64, st.pid);
        field_print("running", st.running ? "yes" : "no");
        field_print("pid", pid);
        field_print("dir", st.dir);
        field_print("url", st.url);
    }
    return st.running ? EXIT_DONE : EXIT_FAILED;
}

static int embedded_stop(bool json)
{
    struct stint_err err = {0};
    if (stint_embedded_stop(&err))
        return error_print(&err);
    if (json)
        puts("{\"running\":false}");
    return EXIT_DONE;
}

int cmd_embedded_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    int status = options_parse(c, NULL, 0, &common, argc, argv);
    if (status < 0) {
        const char *verb = common.words.n == 1 ? common.words.at[0] : "";
        if (!strcmp(verb, "status"))
            status = embedded_status(common.json);
        else if (!strcmp(verb, "stop"))
            status = embedded_stop(common.json);
        else
            status = usage_fail(c, "embedded needs one word: status or stop");
    }
    words_free(&common.words);
    return status;
}
