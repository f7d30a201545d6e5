/* SPDX-License-Identifier: MIT */
/* A client of gearmand: background jobs in bulk, and a worker that asks for
 * WINDOW jobs ahead; the result of each goes out together with the next
 * question. gearmand does not answer a result, so an echo at the end shows
 * that it has all of them. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "wire.h"

/* Also tried: 1000 and 1000, which was the same. */
#define BULK       200 /* jobs a write, two such in flight */
#define WINDOW     100
#define FUNCTION   "noop"
#define HEAD_BYTES 12

enum {
    CAN_DO = 1,
    PRE_SLEEP = 4,
    NOOP = 6,
    JOB_CREATED = 8,
    GRAB_JOB = 9,
    NO_JOB = 10,
    JOB_ASSIGN = 11,
    WORK_COMPLETE = 13,
    ECHO_REQ = 16,
    ECHO_RES = 17,
    SUBMIT_JOB_BG = 18
};

struct packet {
    uint32_t type;
    size_t len;
    const char *data; /* borrowed until the next packet */
};

static struct wire wire;

static void packet_put(uint32_t type, const void *data, size_t len)
{
    uint32_t numbers[2] = {htonl(type), htonl((uint32_t)len)};
    char head[HEAD_BYTES] = "\0REQ";
    memcpy(head + 4, numbers, sizeof numbers);
    wire_put(&wire, head, sizeof head);
    if (len > 0)
        wire_put(&wire, data, len);
}

static struct packet packet_get(void)
{
    uint32_t numbers[2];
    const char *head = wire_bytes(&wire, HEAD_BYTES);
    if (memcmp(head, "\0RES", 4))
        fail("gearmand sent something else than an answer");
    memcpy(numbers, head + 4, sizeof numbers);
    struct packet p = {ntohl(numbers[0]), ntohl(numbers[1]), NULL};
    if (p.len > WIRE_BYTES / 2)
        fail("an answer is too long");
    p.data = wire_bytes(&wire, p.len);
    return p;
}

static void submit(int64_t stamp_ns)
{
    char data[64 + PAYLOAD_BYTES];
    const size_t name = sizeof FUNCTION; /* with its zero */
    memcpy(data, FUNCTION, name);
    data[name] = '\0'; /* no unique id */
    payload_make(data + name + 1, stamp_ns);
    packet_put(SUBMIT_JOB_BG, data, name + 1 + PAYLOAD_BYTES);
}

static void created(void)
{
    struct packet p = packet_get();
    if (p.type != JOB_CREATED)
        fail("submit: answer %u", p.type);
}

static const struct sender sender = {submit, created};

/* A job: handle, function and payload, with zeros between. */
static void assigned(struct turn *t, const struct packet *p)
{
    const char *end = p->data + p->len;
    const char *handle = memchr(p->data, '\0', p->len);
    const char *name =
        handle ? memchr(handle + 1, '\0', (size_t)(end - handle - 1)) : NULL;
    if (!name)
        fail("a job without a handle");
    turn_take(t, name + 1, (size_t)(end - name - 1));
    packet_put(WORK_COMPLETE, p->data, (size_t)(handle + 1 - p->data));
}

static void finish(void)
{
    struct packet p;
    packet_put(ECHO_REQ, "done", 4);
    do
        p = packet_get();
    while (p.type != ECHO_RES);
}

static void work(struct turn *t, long window)
{
    long asked = 0;
    packet_put(CAN_DO, FUNCTION, sizeof FUNCTION - 1);
    wire_flush(&wire);
    turn_go();
    for (; asked < window && asked < t->tasks; asked++)
        packet_put(GRAB_JOB, NULL, 0);
    while (t->taken < t->tasks) {
        struct packet p = packet_get();
        if (p.type == JOB_ASSIGN) {
            assigned(t, &p);
            if (asked++ < t->tasks)
                packet_put(GRAB_JOB, NULL, 0);
        } else if (p.type == NO_JOB) {
            packet_put(PRE_SLEEP, NULL, 0);
        } else if (p.type == NOOP) {
            packet_put(GRAB_JOB, NULL, 0);
        } else {
            fail("grab: answer %u", p.type);
        }
    }
    finish();
    turn_answer(t);
}

int main(int argc, char **argv)
{
    struct turn t;
    turn_init(&t, argc, argv);
    wire_open(&wire, t.address);
    if (turn_is(&t, "queue"))
        turn_queue(&t, &wire, BULK, &sender);
    else if (turn_is(&t, "send"))
        turn_send(&t, &sender);
    else
        work(&t, turn_is(&t, "listen") ? 1 : WINDOW);
    return 0;
}
