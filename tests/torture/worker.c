/* SPDX-License-Identifier: MIT */
/* A worker of a campaign: the product's own, with a tape at its seam to Redis.
 * torture_worker DIR SLOT URL NAME HEARTBEAT PREFETCH supervised|alone. What it
 * runs is in DIR/worker.SLOT.json. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <stint/stint.h>

#include "history.h"
#include "tape.h"

/* For the signal handler only. */
static stint_worker *volatile signalled_worker;
static stint_supervisor *volatile signalled_supervisor;

static void worker_on_signal(int number)
{
    (void)number;
    stint_worker *w = signalled_worker;
    if (signalled_supervisor != NULL)
        stint_supervisor_stop(signalled_supervisor);
    else if (w != NULL)
        stint_worker_stop(w);
}

static void worker_log(enum stint_log_level level, const char *line, void *arg)
{
    (void)arg;
    if (level <= STINT_LOG_WARN)
        fprintf(stderr, "%s\n", line);
}

static int worker_alone(const struct stint_worker_options *o,
                        struct stint_err *err)
{
    stint_worker *w = stint_worker_new(o, err);
    if (w == NULL)
        return -1;
    signalled_worker = w;
    int rc = stint_worker_run(w, err);
    signalled_worker = NULL;
    tape_leave(rc == 0 ? OUTCOME_OK : OUTCOME_REFUSED);
    stint_worker_free(w);
    return rc;
}

static int worker_supervised(const struct stint_worker_options *o,
                             struct stint_err *err)
{
    stint_supervisor *s = stint_supervisor_new(o, err);
    if (s == NULL)
        return -1;
    signalled_supervisor = s;
    int rc = stint_supervisor_run(s, err);
    signalled_supervisor = NULL;
    stint_supervisor_free(s);
    return rc;
}

int main(int argc, char **argv)
{
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    struct stint_err err = {0};
    char config[512];
    if (argc != 8) {
        fprintf(stderr, "usage: torture_worker DIR SLOT URL NAME HEARTBEAT "
                        "PREFETCH supervised|alone\n");
        return 64;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* with the runner */
    struct sigaction a = {.sa_handler = worker_on_signal};
    sigaction(SIGTERM, &a, NULL);
    snprintf(config, sizeof(config), "%s/worker.%s.json", argv[1], argv[2]);
    o.config_path = config;
    o.url = argv[3];
    o.name = argv[4];
    o.heartbeat_s = strtod(argv[5], NULL);
    o.prefetch = (int)strtol(argv[6], NULL, 10);
    o.log = worker_log;
    o.grace_s = 1;
    o.shutdown_s = 5;
    setenv("TORTURE_DIR", argv[1], 1);
    setenv("TORTURE_SLOT", argv[2], 1);
    tape_init(argv[1], (int)strtol(argv[2], NULL, 10));
    int rc = strcmp(argv[7], "supervised") == 0 ? worker_supervised(&o, &err)
                                                : worker_alone(&o, &err);
    if (rc < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 3;
    }
    return 0;
}
