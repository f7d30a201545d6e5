/* SPDX-License-Identifier: MIT */
/* A client of beanstalkd: puts in bulk, and a worker that asks for WINDOW
 * tasks ahead; each delete goes out together with the next reserve. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

/* Also tried: 50 and 20 (the same), 200 and 100, 300 and 200, 500 and 500,
 * 1000 and 1000, each a little slower than the one before. The server has one thread, so more connections gain nothing. */
#define BULK   100 /* puts a write, two such in flight */
#define WINDOW 20
#define TTR_S  "600" /* a reserved task comes back after this */

static struct wire wire;

static void put(int64_t stamp_ns)
{
    char command[128 + PAYLOAD_BYTES];
    int n = snprintf(command, sizeof command, "put 0 0 " TTR_S " %d\r\n",
                     PAYLOAD_BYTES);
    payload_make(command + n, stamp_ns);
    memcpy(command + n + PAYLOAD_BYTES, "\r\n", 2);
    wire_put(&wire, command, (size_t)n + PAYLOAD_BYTES + 2);
}

static void inserted(void)
{
    const char *line = wire_line(&wire);
    if (strncmp(line, "INSERTED ", 9))
        fail("put: %s", line);
}

static const struct sender sender = {put, inserted};

static void reserve(void)
{
    wire_put(&wire, "reserve\r\n", 9);
}

static void reserved(struct turn *t, const char *words)
{
    char command[64], *rest;
    unsigned long long id = strtoull(words, &rest, 10);
    size_t len = strtoul(rest, NULL, 10);
    turn_take(t, wire_bytes(&wire, len + 2), len);
    int n = snprintf(command, sizeof command, "delete %llu\r\n", id);
    wire_put(&wire, command, (size_t)n);
}

static void work(struct turn *t, long window)
{
    long asked = 0;
    turn_go();
    for (; asked < window && asked < t->tasks; asked++)
        reserve();
    for (long deleted = 0; deleted < t->tasks;) {
        const char *line = wire_line(&wire);
        if (!strncmp(line, "RESERVED ", 9)) {
            reserved(t, line + 9);
            if (asked++ < t->tasks)
                reserve();
        } else if (!strcmp(line, "DELETED")) {
            deleted++;
        } else {
            fail("reserve, delete: %s", line);
        }
    }
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
