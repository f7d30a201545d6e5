/* SPDX-License-Identifier: MIT */
/* stint graph: the tasks a task depends on and those that depend on it. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum { PARENTS_SHOWN = 8 };

const char cmd_graph_usage[] =
    "usage: stint graph ID [options]\n\n"
    "  --dot             for Graphviz: stint graph ID --dot | dot -Tsvg\n"
    "  --limit N         at most so many tasks (10000)\n"
    "  --group-name G    the group of the task (looked up in all)\n\n"
    "Shows all tasks reached from this one over what they depend on and what\n"
    "depends on them, a line each, parents first: status, id, function and\n"
    "parents. Ids are GROUP/ID if there are several groups. GONE: deleted, or\n"
    "its retention is over.\n";

/* One task of the graph: copies. */
struct row {
    char *ref; /* GROUP/ID */
    char *id, *group, *function, *name, *status;
    char **parents;
    size_t n_parents;
};

struct graph {
    struct row *rows;
    size_t n, room;
    bool groups; /* there are several */
};

static char *copy(const char *text)
{
    return text_copy(text, strlen(text));
}

static int row_add(const struct stint_graph_node *node, void *arg)
{
    struct graph *g = arg;
    if (g->n == g->room) {
        g->room = g->room ? 2 * g->room : 64;
        g->rows = memory_grow(g->rows, g->room, sizeof *g->rows);
    }
    struct row *r = &g->rows[g->n++];
    char ref[STINT_NAME_LEN + STINT_ID_LEN + 2];
    snprintf(ref, sizeof ref, "%s/%s", node->group_name, node->id);
    *r = (struct row){.ref = copy(ref),
                      .id = copy(node->id),
                      .group = copy(node->group_name),
                      .function = copy(node->function),
                      .name = copy(node->task_name),
                      .status = copy(node->status),
                      .n_parents = node->n_parents};
    r->parents = memory_new(r->n_parents, sizeof *r->parents);
    for (size_t i = 0; i < r->n_parents; i++)
        r->parents[i] = copy(node->parents[i]);
    if (strcmp(r->group, g->rows[0].group))
        g->groups = true;
    return 0;
}

static void graph_free(struct graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct row *r = &g->rows[i];
        char *texts[] = {r->ref,      r->id,   r->group,
                         r->function, r->name, r->status};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            free(texts[k]);
        for (size_t k = 0; k < r->n_parents; k++)
            free(r->parents[k]);
        free(r->parents);
    }
    free(g->rows);
}

/* ---- For people ---------------------------------------------------------- */

/* The group goes without saying if there is only one. */
static const char *ref_shown(const struct graph *g, const char *ref)
{
    const char *slash = strchr(ref, '/');
    return g->groups || !slash ? ref : slash + 1;
}

/* "<- a, b, … and 3 more" */
static void parents_cell(struct table *t, const struct graph *g,
                         const struct row *r)
{
    char text[(PARENTS_SHOWN + 1) * (STINT_NAME_LEN + STINT_ID_LEN + 4)];
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < r->n_parents && i < PARENTS_SHOWN; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
                                 i ? ", " : "<- ", ref_shown(g, r->parents[i]));
    if (r->n_parents > PARENTS_SHOWN)
        snprintf(text + used, sizeof text - used, " … and %zu more",
                 r->n_parents - PARENTS_SHOWN);
    table_add(t, text);
}

static void graph_print(const struct graph *g, bool colour)
{
    static const char *const heads[] = {"STATUS", "TASK", "FUNCTION",
                                        "PARENTS"};
    struct table t = {.colour = colour};
    table_heads(&t, heads, sizeof heads / sizeof *heads);
    for (size_t i = 0; i < g->n; i++) {
        table_add_word(&t, g->rows[i].status);
        table_add(&t, ref_shown(g, g->rows[i].ref));
        table_add(&t, g->rows[i].function);
        parents_cell(&t, g, &g->rows[i]);
    }
    table_print(&t);
    table_free(&t);
}

/* ---- For programs -------------------------------------------------------- */

static void graph_json(const struct graph *g)
{
    struct json_out j = {false};
    json_open(&j, NULL, '{');
    json_open(&j, "tasks", '[');
    for (size_t i = 0; i < g->n; i++) {
        const struct row *r = &g->rows[i];
        json_open(&j, NULL, '{');
        json_text(&j, "id", r->id);
        json_text(&j, "group_name", r->group);
        json_text(&j, "function", r->function);
        json_text(&j, "task_name", r->name);
        json_text(&j, "status", r->status);
        json_open(&j, "parents", '[');
        for (size_t k = 0; k < r->n_parents; k++)
            json_text(&j, NULL, r->parents[k]);
        json_shut(&j, ']');
        json_shut(&j, '}');
    }
    json_shut(&j, ']');
    json_shut(&j, '}');
    putchar('\n');
}

/* ---- For Graphviz -------------------------------------------------------- */

static const char *status_color(const char *status)
{
    static const struct {
        const char *status, *color;
    } colors[] = {
        {"QUEUED", "#e8e8e8"},  {"ASSIGNED", "#d6e6f5"},
        {"RUNNING", "#9ec9f0"}, {"COMPLETED", "#b7e1b0"},
        {"FAILED", "#f2b0a8"},  {"TIMEOUT", "#f5c99b"},
        {"STOPPED", "#d9c8e6"}, {"EXPIRED", "#f3e3a1"},
    };
    for (size_t i = 0; i < sizeof colors / sizeof *colors; i++)
        if (!strcmp(colors[i].status, status))
            return colors[i].color;
    return "#ffffff";
}

/* Inside of quotes. Control bytes are of no use in a picture. */
static void dot_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar((unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
    }
}

static void dot_node(const struct graph *g, const struct row *r)
{
    fputs("  \"", stdout);
    dot_text(r->ref);
    fputs("\" [label=\"", stdout);
    dot_text(ref_shown(g, r->ref));
    if (*r->name) {
        fputs("\\n", stdout);
        dot_text(r->name);
    }
    fputs("\\n", stdout);
    dot_text(r->status);
    printf("\", fillcolor=\"%s\"];\n", status_color(r->status));
}

static void graph_dot(const struct graph *g)
{
    fputs("digraph stint {\n"
          "  rankdir=LR;\n"
          "  node [shape=box, style=\"rounded,filled\", "
          "fontname=\"sans-serif\"];\n",
          stdout);
    for (size_t i = 0; i < g->n; i++)
        dot_node(g, &g->rows[i]);
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->rows[i].n_parents; k++) {
            fputs("  \"", stdout);
            dot_text(g->rows[i].parents[k]);
            fputs("\" -> \"", stdout);
            dot_text(g->rows[i].ref);
            fputs("\";\n", stdout);
        }
    fputs("}\n", stdout);
}

/* ---- The command --------------------------------------------------------- */

static int graph_show(const struct common *common, const char *group,
                      size_t limit, int dot)
{
    int status = EXIT_DONE;
    const char *id = common->words.at[0];
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct graph g = {0};
    if (stint_graph(s, group, id, limit, row_add, &g, &err)) {
        if (err.code == STINT_NOT_FOUND)
            message("%s: no such task", id);
        else if (err.code == STINT_TOO_BIG)
            message("%s; see --limit", err.text);
        status = err.code == STINT_NOT_FOUND || err.code == STINT_TOO_BIG
                     ? EXIT_FAILED
                     : error_print(&err);
    } else if (dot)
        graph_dot(&g);
    else if (common->json)
        graph_json(&g);
    else
        graph_print(&g, colour_on(common));
    graph_free(&g);
    stint_close(s);
    return status;
}

int cmd_graph_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    const char *group = NULL;
    int64_t limit = 10000;
    int dot = 0;
    const struct option_row rows[] = {
        {"dot", OPTION_FLAG, &dot},
        {"limit", OPTION_COUNT, &limit},
        {"group-name", OPTION_TEXT, &group},
    };
    int status =
        options_parse(c, rows, sizeof rows / sizeof *rows, &common, argc, argv);
    if (status < 0 && common.words.n != 1)
        status = usage_fail(c, "graph needs one ID");
    if (status < 0 && (limit < 1 || limit > 1000000))
        status = usage_fail(c, "--limit: must be from 1 to 1000000");
    if (status < 0 && dot && common.json)
        status = usage_fail(c, "--dot and --json do not go together");
    if (status < 0)
        status = graph_show(&common, group, (size_t)limit, dot);
    words_free(&common.words);
    return status;
}
