/* SPDX-License-Identifier: MIT */
/* The server itself. It says of itself what lets a test of code that asks for
 * a durability go on: nothing is ever lost here. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "command.h"

void cmd_ping(struct command *c)
{
    if (c->argc == 1)
        out_status(c->out, "PONG", 4);
    else
        out_bytes(c->out, c->argv[1].at, c->argv[1].len);
}

void cmd_time(struct command *c)
{
    char text[24];
    out_array(c->out, 2);
    snprintf(text, sizeof(text), "%" PRId64, c->m->now_us / 1000000);
    out_text(c->out, text);
    snprintf(text, sizeof(text), "%" PRId64, c->m->now_us % 1000000);
    out_text(c->out, text);
}

void cmd_wait(struct command *c)
{
    int64_t replicas;
    if (command_integer(c, 1, &replicas) == 0)
        out_integer(c->out, replicas);
}

void cmd_config(struct command *c)
{
    static const char *const settings[][2] = {
        {"appendonly", "yes"},
        {"appendfsync", "always"},
        {"min-replicas-to-write", "1"},
    };
    if (!arg_is(&c->argv[1], "GET") || c->argc != 3) {
        out_error_text(c->out, "ERR only CONFIG GET of one setting is known "
                               "here");
        return;
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
        if (!arg_is(&c->argv[2], settings[i][0]))
            continue;
        out_array(c->out, 2);
        out_text(c->out, settings[i][0]);
        out_text(c->out, settings[i][1]);
        return;
    }
    out_array(c->out, 0);
}

void cmd_info(struct command *c)
{
    struct buf text;
    char name[24];
    buf_init(&text, 64 * 1024);
    (void)buf_printf(&text, "# Server\r\nredis_version:memory\r\n"
                            "# Commandstats\r\n");
    for (int i = 0; i < COMMAND_N; i++) {
        size_t len = 0;
        for (; command_types[i].name[len] != '\0'; len++)
            name[len] = (char)(command_types[i].name[len] + ('a' - 'A'));
        name[len] = '\0';
        if (c->m->calls[i] > 0)
            (void)buf_printf(&text, "cmdstat_%s:calls=%" PRIu64 "\r\n", name,
                             c->m->calls[i]);
    }
    out_bytes(c->out, text.data, text.len);
    buf_close(&text);
}
