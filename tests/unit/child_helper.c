/* SPDX-License-Identifier: MIT */
/* A child of worker/PROTOCOL.md that can do everything wrong: when it starts,
 * by its argument; in a run, by the function of its task. */
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int sock;
static const char *run; /* the present one, of frame */
static json_t *frame;

static void bytes_send(const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = write(sock, (const char *)data + at, len - at);
        if (n <= 0)
            exit(9);
        at += (size_t)n;
    }
}

static void head_send(size_t len)
{
    unsigned char head[4] = {(unsigned char)(len >> 24),
                             (unsigned char)(len >> 16),
                             (unsigned char)(len >> 8), (unsigned char)len};
    bytes_send(head, 4);
}

static void text_send(const char *text)
{
    head_send(strlen(text));
    bytes_send(text, strlen(text));
}

static void send_json(json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    text_send(text);
    free(text);
    json_decref(o);
}

static void done(json_t *result)
{
    send_json(json_pack("{s:s, s:s, s:o*}", "type", "done", "run", run,
                        "result", result));
}

static void bytes_read(void *to, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = read(sock, (char *)to + at, len - at);
        if (n <= 0)
            exit(0);
        at += (size_t)n;
    }
}

static json_t *frame_read(void)
{
    unsigned char head[4];
    bytes_read(head, 4);
    size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 |
                 (size_t)head[2] << 8 | head[3];
    char *text = malloc(len);
    if (text == NULL)
        exit(8);
    bytes_read(text, len);
    json_t *o = json_loadb(text, len, 0, NULL);
    free(text);
    return o;
}

static const char *word(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

static const json_t *arg(size_t i)
{
    return json_array_get(
        json_object_get(json_object_get(frame, "task"), "args"), i);
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* ---- What a run can be -------------------------------------------------- */

static void do_echo(void)
{
    done(json_deep_copy(
        json_object_get(json_object_get(frame, "task"), "args")));
}

static void do_nothing(void)
{
    done(NULL);
}

static void do_frame(void)
{
    json_t *o = json_copy(frame);
    json_object_del(o, "task");
    done(o);
}

static void do_pid(void)
{
    done(json_integer(getpid()));
}

static void do_env(void)
{
    const char *value = getenv(json_string_value(arg(0)));
    done(value != NULL ? json_string(value) : json_null());
}

static void do_exit(void)
{
    fputs("last words\n", stderr);
    _exit((int)json_integer_value(arg(0)));
}

static void do_abort(void)
{
    abort();
}

static void do_half(void)
{
    bytes_send("\0\0\1\0{\"type\":\"do", 16);
    _exit(0);
}

static void do_huge(void)
{
    bytes_send("\xff\xff\xff\xff", 4);
    pause();
}

static void do_empty(void)
{
    head_send(0);
    pause();
}

static void do_garbage(void)
{
    text_send("hello world");
    pause();
}

static void do_untyped(void)
{
    text_send("{\"run\":1}");
    pause();
}

static void do_foreign(void)
{
    text_send("{\"type\":\"done\",\"run\":\"other@1\"}");
    pause();
}

static void do_twice(void)
{
    done(json_integer(1));
    done(json_integer(2));
    pause();
}

/* A string of so many bytes, quotes included. */
static void do_large(void)
{
    size_t len = (size_t)json_integer_value(arg(0)) - 2;
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    done(json_string(text));
    free(text);
}

static void do_raw(void)
{
    char text[1000];
    snprintf(text, sizeof(text),
             "{\"type\":\"done\",\"run\":\"%s\",\"result\":%s}", run,
             json_string_value(arg(0)));
    text_send(text);
}

static void do_deaf(void)
{
    for (;;)
        pause();
}

/* Until it is cancelled; says how. */
static void do_polite(void)
{
    json_t *o = frame_read();
    send_json(json_pack("{s:s, s:s, s:s}", "type", "failed", "run", run,
                        "error", word(o, "reason")));
    json_decref(o);
}

/* A grandchild in a session of its own; its pid is told as progress. */
static void do_daemon(void)
{
    char text[20] = "";
    int ends[2];
    if (pipe(ends) < 0)
        exit(7);
    if (fork() == 0) {
        setsid();
        pid_t pid = fork();
        if (pid == 0)
            for (;;)
                pause();
        snprintf(text, sizeof(text), "%d", (int)pid);
        _exit(write(ends[1], text, sizeof(text)) < 0);
    }
    if (read(ends[0], text, sizeof(text)) < 0)
        exit(7);
    send_json(json_pack("{s:s, s:s, s:s}", "type", "progress", "run", run,
                        "text", text));
    for (;;)
        pause();
}

static void do_hold(void)
{
    size_t len = (size_t)json_integer_value(arg(0)) * 1024 * 1024;
    char *memory = malloc(len);
    for (size_t i = 0; i < len; i += 1024)
        memory[i] = 1;
    do_pid();
}

static void do_print(void)
{
    printf("to stdout\n");
    fflush(stdout);
    fprintf(stderr, "to stderr\n");
    done(NULL);
}

static void do_flood(void)
{
    char line[1000];
    memset(line, 'y', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < 1000; i++)
        fwrite(line, 1, sizeof(line), stdout);
    fflush(stdout);
    done(NULL);
}

static void do_progress(void)
{
    send_json(json_pack("{s:s, s:s, s:s}", "type", "output", "run", run,
                        "text", "gone!clear!step one\n"));
    send_json(json_pack("{s:s, s:s, s:f, s:s}", "type", "progress", "run", run,
                        "percent", 41.5, "text", "halfway"));
    sleep_ms(json_integer_value(arg(0)));
    done(NULL);
}

static void do_fail(void)
{
    fputs("a warning\n", stderr);
    send_json(json_pack("{s:s, s:s, s:s, s:s, s:O*}", "type", "failed", "run",
                        run, "error", "it does not work", "traceback",
                        "line 1\nline 2\n", "retry", arg(0)));
}

static void do_bye(void)
{
    done(json_string("bye"));
    exit(0);
}

static void do_close(void)
{
    close(sock);
    pause();
}

static void do_stray(void)
{
    done(NULL);
    sleep_ms(20);
    puts("nobody's");
    fflush(stdout);
}

static const struct {
    const char *name;
    void (*run)(void);
} deeds[] = {
    {"echo", do_echo},       {"nothing", do_nothing}, {"frame", do_frame},
    {"pid", do_pid},         {"env", do_env},         {"exit", do_exit},
    {"abort", do_abort},     {"half", do_half},       {"huge", do_huge},
    {"empty", do_empty},     {"garbage", do_garbage}, {"untyped", do_untyped},
    {"foreign", do_foreign}, {"twice", do_twice},     {"large", do_large},
    {"raw", do_raw},         {"deaf", do_deaf},       {"polite", do_polite},
    {"daemon", do_daemon},   {"hold", do_hold},       {"print", do_print},
    {"flood", do_flood},     {"progress", do_progress}, {"fail", do_fail},
    {"bye", do_bye},         {"close", do_close},     {"stray", do_stray},
};

static void deed_do(const char *name)
{
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
        if (strcmp(deeds[i].name, name) == 0)
            deeds[i].run();
}

/* A line of a file for each start, so that they can be counted. */
static void start_note(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1)
        exit(6);
    close(fd);
}

static void hello(const char *mode)
{
    if (strcmp(mode, "mute") == 0)
        do_deaf();
    if (strcmp(mode, "dies") == 0) {
        fputs("no module named x\n", stderr);
        exit(3);
    }
    if (strcmp(mode, "early") == 0)
        text_send("{\"type\":\"done\",\"run\":\"t@1\"}");
    if (strcmp(mode, "version") == 0)
        text_send("{\"type\":\"hello\",\"protocol\":2}");
    else if (strcmp(mode, "picky") == 0)
        text_send("{\"type\":\"hello\",\"protocol\":1,"
                  "\"functions\":[\"echo\"]}");
    else
        text_send("{\"type\":\"hello\",\"protocol\":1,\"name\":\"helper\","
                  "\"more\":null}");
    if (strcmp(mode, "quits") == 0)
        exit(4);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "good";
    if (argc > 2)
        start_note(argv[2]);
    sock = (int)strtol(getenv("STINT_CHILD_FD"), NULL, 10);
    hello(mode);
    for (;;) {
        frame = frame_read();
        const char *type = word(frame, "type");
        run = word(frame, "run");
        if (strcmp(type, "exit") == 0)
            return 0;
        if (strcmp(type, "ping") == 0 && strcmp(mode, "nopong") != 0)
            send_json(json_pack("{s:s, s:O}", "type", "pong", "n",
                                json_object_get(frame, "n")));
        if (strcmp(type, "run") == 0)
            deed_do(word(json_object_get(frame, "task"), "function"));
        json_decref(frame);
    }
}
