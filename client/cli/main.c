/* SPDX-License-Identifier: MIT */
/* The program `stint`: finds the command and runs it. */
#include "cli.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

#define COMMAND(word, name, help)                                              \
    {word, cmd_##name##_run, help, cmd_##name##_usage, NULL}

static const struct command commands[] = {
    COMMAND("queue-task", queue_task, "queue a task, or a file of tasks"),
    COMMAND("task-status", task_status, "show one task"),
    COMMAND("list", list, "list tasks"),
    COMMAND("wait", wait, "wait until tasks have ended"),
    COMMAND("why", why, "why a task does not run"),
    COMMAND("graph", graph, "the tasks one depends on, and the others"),
    COMMAND("stop-task", stop_task, "stop tasks"),
    COMMAND("requeue-task", requeue_task, "bring ended tasks back"),
    COMMAND("enable-task", enable_task, "let disabled tasks run"),
    COMMAND("disable-task", disable_task, "hold tasks back"),
    COMMAND("delete-task", delete_task, "remove tasks"),
    COMMAND("set-priority", set_priority, "put tasks ahead of others or behind"),
    COMMAND("run-now", run_now, "make tasks due now"),
    COMMAND("worker", worker, "run a worker"),
    COMMAND("broker", broker, "serve the dashboard, HTTP, metrics"),
    COMMAND("workers", workers, "show the workers"),
    COMMAND("disable", disable, "workers take nothing new"),
    COMMAND("resume", resume, "disabled workers take tasks again"),
    COMMAND("terminate", terminate, "workers finish what runs and end"),
    COMMAND("kill", kill, "workers give back what runs and end"),
    COMMAND("stats", stats, "counts of each group"),
    COMMAND("groups", groups, "all groups at a glance"),
    COMMAND("group", group, "a group: its parts, its events"),
    COMMAND("events", events, "what happened to tasks"),
    COMMAND("top", top, "a live screen of groups, workers and tasks"),
    COMMAND("cron", cron, "the next times of a cron expression"),
    COMMAND("fsck", fsck, "check all keys"),
    COMMAND("doctor", doctor, "check how Redis and the fleet are set up"),
    COMMAND("spool", spool, "tasks that wait for Redis in a directory"),
    COMMAND("library", library, "the functions in Redis"),
    COMMAND("bench", bench, "measure the speed"),
    COMMAND("embedded", embedded, "the embedded Redis"),
    COMMAND("completion", completion,
            "complete commands and options in a shell"),
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

const struct command *command_at(size_t i)
{
    return i < COMMANDS ? &commands[i] : NULL;
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
    setlocale(LC_CTYPE, "C.UTF-8"); /* for text.c; where there is none, "C" */
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
