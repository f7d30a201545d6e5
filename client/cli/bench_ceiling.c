/* SPDX-License-Identifier: MIT */
/* What the raw scripts reach. A command sees the public header only, so that
 * is a program of its own, which is asked here and prints one JSON object. It
 * hears of Redis by its environment: an argument can be seen by all users. */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "stint-bench-ceiling"
enum { PATH_ROOM = 4096 };

/* The directory of this program, with a '/' at the end; "" if not known. */
static void own_dir(char dir[PATH_ROOM])
{
    ssize_t n = readlink("/proc/self/exe", dir, PATH_ROOM - 1);
    dir[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[1] = '\0';
}

static bool try_path(char path[PATH_ROOM], const char *dir, const char *below)
{
    int n = snprintf(path, PATH_ROOM, "%s%s/" PROGRAM, dir, below);
    return n < PATH_ROOM && !access(path, X_OK);
}

int ceiling_find(char path[PATH_ROOM])
{
    const char *given = getenv("STINT_LIBEXEC");
    char dir[PATH_ROOM];
    own_dir(dir);
    if (given && *given) {
        if (try_path(path, given, ""))
            return EXIT_DONE;
    } else if (try_path(path, STINT_LIBEXEC_DIR[0] == '/' ? "" : dir,
                        STINT_LIBEXEC_DIR) ||
               try_path(path, dir, "bench")) {
        return EXIT_DONE;
    }
    message("--ceiling needs the program " PROGRAM ": %s is not there; "
            "STINT_LIBEXEC may name its directory", path);
    return EXIT_FAILED;
}

static _Noreturn void ceiling_exec(const struct bench *b, const char *path,
                                   int out)
{
    char name_space[2 * STINT_NAME_LEN], tasks[24], payload[24];
    bool drain = !strcmp(b->kind->name, "drain");
    snprintf(name_space, sizeof name_space, "%s.ceiling",
             b->common.name_space ? b->common.name_space : "stint");
    snprintf(tasks, sizeof tasks, "%" PRId64, b->tasks);
    snprintf(payload, sizeof payload, "%" PRId64, b->payload);
    if (dup2(out, STDOUT_FILENO) >= 0 &&
        (!b->common.url || !setenv("STINT_URL", b->common.url, 1))) {
        execl(path, PROGRAM, "-n", name_space, "-", b->kind->name, tasks,
              payload, "250", drain ? "2" : "4", (char *)NULL);
    }
    message("%s: %s", path, strerror(errno));
    _exit(127);
}

/* What it prints, at most `room` - 1 bytes. */
static void text_read(int fd, char *text, size_t room)
{
    size_t have = 0;
    ssize_t n;
    while (have < room - 1 &&
           ((n = read(fd, text + have, room - 1 - have)) > 0 ||
            (n < 0 && errno == EINTR)))
        have += n > 0 ? (size_t)n : 0;
    text[have] = '\0';
}

int ceiling_run(const struct bench *b, double *tasks_per_s)
{
    static const char key[] = "\"tasks_per_s\":";
    char path[PATH_ROOM], text[1024];
    int ends[2], how = -1;
    int status = ceiling_find(path);
    if (status)
        return status;
    fflush(NULL);
    pid_t pid = pipe(ends) ? -1 : fork();
    if (pid < 0) {
        message("no process for " PROGRAM ": %s", strerror(errno));
        return EXIT_FAILED;
    }
    if (pid == 0) {
        close(ends[0]);
        ceiling_exec(b, path, ends[1]);
    }
    close(ends[1]);
    text_read(ends[0], text, sizeof text);
    close(ends[0]);
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
        continue;
    const char *at = strstr(text, key);
    *tasks_per_s = at ? strtod(at + sizeof key - 1, NULL) : 0;
    if (WIFEXITED(how) && !WEXITSTATUS(how) && *tasks_per_s > 0)
        return EXIT_DONE;
    message(PROGRAM " failed");
    return EXIT_FAILED;
}
