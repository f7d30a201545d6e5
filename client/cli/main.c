/* SPDX-License-Identifier: MIT */
/* The program `stint`: finds the command and runs it. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static const struct command commands[] = {
    {"queue-task", cmd_queue_task_run, "queue a task, or a file of tasks",
     cmd_queue_task_usage},
    {"task-status", cmd_task_status_run, "show one task",
     cmd_task_status_usage},
    {"list", cmd_list_run, "list tasks", cmd_list_usage},
    {"wait", cmd_wait_run, "wait until tasks have ended", cmd_wait_usage},
    {"why", cmd_why_run, "why a task does not run", cmd_why_usage},
    {"graph", cmd_graph_run, "the tasks one depends on, and the others",
     cmd_graph_usage},
    {"stop-task", cmd_stop_task_run, "stop tasks", cmd_stop_task_usage},
    {"requeue-task", cmd_requeue_task_run, "bring ended tasks back",
     cmd_requeue_task_usage},
    {"enable-task", cmd_enable_task_run, "let disabled tasks run",
     cmd_enable_task_usage},
    {"disable-task", cmd_disable_task_run, "hold tasks back",
     cmd_disable_task_usage},
    {"delete-task", cmd_delete_task_run, "remove tasks",
     cmd_delete_task_usage},
    {"worker", cmd_worker_run, "run a worker", cmd_worker_usage},
    {"workers", cmd_workers_run, "show the workers", cmd_workers_usage},
    {"disable", cmd_disable_run, "workers take nothing new",
     cmd_disable_usage},
    {"resume", cmd_resume_run, "disabled workers take tasks again",
     cmd_resume_usage},
    {"terminate", cmd_terminate_run, "workers finish what runs and end",
     cmd_terminate_usage},
    {"kill", cmd_kill_run, "workers give back what runs and end",
     cmd_kill_usage},
    {"stats", cmd_stats_run, "counts of each group", cmd_stats_usage},
    {"group", cmd_group_run, "the parts of a group", cmd_group_usage},
    {"cron", cmd_cron_run, "the next times of a cron expression",
     cmd_cron_usage},
    {"fsck", cmd_fsck_run, "check all keys", cmd_fsck_usage},
    {"bench", cmd_bench_run, "measure the speed", cmd_bench_usage},
    {"embedded", cmd_embedded_run, "the embedded Redis", cmd_embedded_usage},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void help_print(FILE *to)
{
    fputs("usage: stint COMMAND [options]\n\n"
          "Stint is a distributed task queue on Redis.\n\n",
          to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-12s  %s\n", commands[i].name, commands[i].help);
    fputs("\n  stint COMMAND --help   about one command\n"
          "  stint --version        the version\n\n"
          "Exit status: 0 done, 1 failed or not there, 2 wrong usage or "
          "refused,\n3 Redis not reachable.\n",
          to);
}

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

/* Edits from one word to the other (Levenshtein). */
static size_t word_distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    size_t row[LONGEST + 1];
    size_t n = strlen(b);
    if (n > LONGEST || strlen(a) > LONGEST)
        return LONGEST;
    for (size_t i = 0; i <= n; i++)
        row[i] = i;
    for (size_t k = 1; *a; a++, k++) {
        size_t corner = row[0];
        row[0] = k;
        for (size_t i = 1; i <= n; i++) {
            size_t best = corner + (*a != b[i - 1]);
            if (row[i] + 1 < best)
                best = row[i] + 1;
            if (row[i - 1] + 1 < best)
                best = row[i - 1] + 1;
            corner = row[i];
            row[i] = best;
        }
    }
    return row[n];
}

static int command_unknown(const char *name)
{
    const struct command *best = NULL;
    size_t least = 4;
    for (size_t i = 0; i < COMMANDS; i++) {
        size_t d = word_distance(name, commands[i].name);
        if (d < least) {
            least = d;
            best = &commands[i];
        }
    }
    if (best)
        message("unknown command %s; did you mean %s?", name, best->name);
    else
        message("unknown command %s; see stint --help", name);
    return EXIT_USAGE;
}

static int help_run(int argc, char **argv)
{
    if (argc < 1) {
        help_print(stdout);
        return EXIT_DONE;
    }
    const struct command *c = command_find(argv[0]);
    if (!c)
        return command_unknown(argv[0]);
    usage_print(c, stdout);
    return EXIT_DONE;
}

static int command_run(int argc, char **argv)
{
    if (argc < 2) {
        help_print(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
        help_print(stdout);
        return EXIT_DONE;
    }
    if (!strcmp(name, "--version")) {
        printf("stint %s\n", stint_version());
        return EXIT_DONE;
    }
    if (!strcmp(name, "help"))
        return help_run(argc - 2, argv + 2);
    if (name[0] == '-') {
        message("unknown option %s; see stint --help", name);
        return EXIT_USAGE;
    }
    const struct command *c = command_find(name);
    return c ? c->run(c, argc - 2, argv + 2) : command_unknown(name);
}

int main(int argc, char **argv)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    setvbuf(stderr, NULL, _IOLBF, 0);
    int status = command_run(argc, argv);
    errno = 0;
    int flushed = fflush(stdout);
    if (flushed || ferror(stdout)) {
        int e = errno;
        message("writing to stdout: %s", e ? strerror(e) : "failed");
        if (status == EXIT_DONE)
            status = EXIT_FAILED;
    }
    return status;
}
