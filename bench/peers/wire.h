/* SPDX-License-Identifier: MIT */
/* What the clients of beanstalkd and gearmand share: a connection with
 * buffers, so that many commands travel in one write, and the words with
 * bench/compare, which are described in turns.py. Any failure ends the
 * program with a message. */
#ifndef STINT_BENCH_WIRE_H
#define STINT_BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_BYTES    (256 * 1024) /* each way; the most that is in flight */
#define PAYLOAD_BYTES 100

struct wire {
    int fd;
    size_t out_len;
    size_t in_pos, in_len; /* what is unread: from in_pos to in_len */
    char out[WIRE_BYTES], in[WIRE_BYTES];
};

_Noreturn void fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

int64_t now_ns(void);

/* address: path of a unix socket, or host:port. */
void wire_open(struct wire *w, const char *address);
/* Copies; sends first what does not fit beside it. */
void wire_put(struct wire *w, const void *data, size_t len);
void wire_flush(struct wire *w);
/* The next len bytes, or the next line up to its end of line, which is cut
 * off. Sends what is waiting, if it has to wait itself. Borrowed until the
 * next call. */
char *wire_bytes(struct wire *w, size_t len);
char *wire_line(struct wire *w);

/* One turn, as the arguments ask for it. */
struct turn {
    const char *address;
    const char *what; /* queue, send, work or listen */
    long tasks;
    double rate;      /* sends a second */
    long taken;
    int64_t start_ns; /* of the first task */
    double *late_ms;  /* listen: of each task, else NULL */
};

void turn_init(struct turn *t, int argc, char **argv);
int turn_is(const struct turn *t, const char *what);
/* stamp_ns < 0: none. */
void payload_make(char payload[static PAYLOAD_BYTES], int64_t stamp_ns);
/* Sleeps until the i-th send is due; returns when it was due. */
int64_t turn_wait(struct turn *t, long i);
/* Says that it can begin, and waits for the word. */
void turn_go(void);
/* A task of this payload has come. */
void turn_take(struct turn *t, const char *payload, size_t len);
/* How a client sends one task (stamp_ns: see payload_make), and hears that the
 * server has it. */
struct sender {
    void (*send)(int64_t stamp_ns);
    void (*hear)(void);
};
/* All tasks, `bulk` a write, with one such write unanswered. */
void turn_queue(struct turn *t, struct wire *w, int bulk,
                const struct sender *s);
/* One at a time, when each is due. */
void turn_send(struct turn *t, const struct sender *s);
/* Prints the answer; the seconds are those since turn_start, the first send
 * or the first task. */
void turn_start(struct turn *t);
void turn_answer(const struct turn *t);

#endif
