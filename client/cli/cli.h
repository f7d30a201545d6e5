/* SPDX-License-Identifier: MIT */
/* What the command line's files share: commands, options, printing. */
#ifndef STINT_CLI_H
#define STINT_CLI_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <stint/stint.h>

/* Exit statuses. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REDIS = 3 };

struct option_row;

/* Who wants to know the options of a command. */
struct option_visit {
    void (*option)(const struct option_row *row, void *arg);
    void *arg;
};

struct command {
    const char *name;
    int (*run)(const struct command *c, int argc, char **argv);
    const char *help; /* one line */
    /* For --help, without the common options. Completions are made of it, too:
     * a first word like a|b after the name is one of these; "  --name VALUE"
     * begins a description, and the VALUE is FILE, one of a|b, or other. */
    const char *usage;
    /* NULL; else options_parse tells it each option and then has the command
     * end with EXIT_DONE, so that it does nothing. */
    const struct option_visit *visit;
};

/* The commands in their order; NULL: there is no i-th. */
const struct command *command_at(size_t i);

/* ---- One row for each command ------------------------------------------ */

#define COMMAND_DECLARE(name)                                                  \
    extern const char cmd_##name##_usage[];                                    \
    int cmd_##name##_run(const struct command *c, int argc, char **argv)

COMMAND_DECLARE(queue_task);
COMMAND_DECLARE(task_status);
COMMAND_DECLARE(list);
COMMAND_DECLARE(wait);
COMMAND_DECLARE(why);
COMMAND_DECLARE(graph);
COMMAND_DECLARE(stop_task);
COMMAND_DECLARE(requeue_task);
COMMAND_DECLARE(enable_task);
COMMAND_DECLARE(disable_task);
COMMAND_DECLARE(delete_task);
COMMAND_DECLARE(set_priority);
COMMAND_DECLARE(run_now);
COMMAND_DECLARE(worker);
COMMAND_DECLARE(broker);
COMMAND_DECLARE(workers);
COMMAND_DECLARE(disable);
COMMAND_DECLARE(resume);
COMMAND_DECLARE(terminate);
COMMAND_DECLARE(kill);
COMMAND_DECLARE(stats);
COMMAND_DECLARE(events);
COMMAND_DECLARE(group);
COMMAND_DECLARE(groups);
COMMAND_DECLARE(top);
COMMAND_DECLARE(cron);
COMMAND_DECLARE(fsck);
COMMAND_DECLARE(doctor);
COMMAND_DECLARE(library);
COMMAND_DECLARE(bench);
COMMAND_DECLARE(spool);
COMMAND_DECLARE(embedded);
COMMAND_DECLARE(completion);

/* ---- Options ----------------------------------------------------------- */

/* A growing list of words; the words are borrowed. */
struct words {
    const char **at;
    size_t n, room;
};
void words_add(struct words *w, const char *word);
void words_free(struct words *w);

enum option_kind {
    OPTION_FLAG,   /* int */
    OPTION_TEXT,   /* const char * */
    OPTION_NUMBER, /* double, finite */
    OPTION_COUNT,  /* int64_t */
    OPTION_WORDS   /* struct words: may be given again */
};

struct option_row {
    const char *name; /* without the dashes */
    enum option_kind kind;
    void *to;
};

/* What every command takes. */
struct common {
    const char *url;
    char url_read[2048]; /* it, when argv shows stars for its password */
    const char *name_space;
    int json;
    const char *color; /* NULL, auto, always, never */
    const char *spool; /* of the commands that have one; NULL: none */
    int64_t spool_max;
    struct words words; /* what is no option */
};

/* Parses argv[0..argc). -1: go on; otherwise the exit status: 0 when help was
 * asked for or c->visit was told, 2 when an option is wrong (a message is on
 * stderr). */
int options_parse(const struct command *c, const struct option_row *rows,
                  size_t n_rows, struct common *common, int argc, char **argv);
/* Strict: the whole text, finite, no blanks, decimal. */
bool number_parse(const char *text, double *number);
bool count_parse(const char *text, int64_t *count);
/* "stint: …" and a hint to --help; returns 2. */
int usage_fail(const struct command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Without --spool it is STINT_SPOOL. */
void common_spool(struct common *common);
/* The options of a handle that are common; EXIT_DONE, or the exit status. */
int common_options(const struct common *common, struct stint_options *o);
/* Opens with the common options; NULL: *status is the exit status. */
stint *common_open(const struct common *common, int *status);

/* ---- Printing ---------------------------------------------------------- */

/* "stint: …" on stderr, control bytes escaped. */
void message(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The exit status that fits a code. */
int error_status(enum stint_code code);
/* The message of an error; returns its exit status. */
int error_print(const struct stint_err *err);
void usage_print(const struct command *c, FILE *to);
/* The part of it that is the same for every command. */
extern const char common_usage[];
/* calloc that ends the program when there is no memory. */
void *memory_new(size_t n, size_t size);
void *memory_grow(void *old, size_t n, size_t size);
char *text_copy(const char *text, size_t len);

/* RFC 3339 with milliseconds, UTC. */
enum { TIME_TEXT_LEN = 40 };
const char *time_text(int64_t ms, char text[TIME_TEXT_LEN]);
/* "250 ms", "12.3 s", "3m05s", "4h00m", "2d03h". */
const char *age_text(int64_t ms, char text[TIME_TEXT_LEN]);

/* What the next character of a text is for a terminal: itself, or what stands
 * for it where it could steer the terminal or is no UTF-8. */
struct text_piece {
    char text[12];
    size_t columns;
};
/* Returns its bytes in `text`, which is not empty. */
size_t text_step(const char *text, struct text_piece *piece);
/* Bytes of the UTF-8 character at p; 0: it is none. */
size_t text_utf8(const unsigned char *p);
/* The columns that text_print would take. */
size_t text_columns(const char *text);
/* Text with control bytes as \xNN; returns the columns it takes. */
size_t text_print(FILE *to, const char *text);
/* Line feeds and tabs stay, the next line begins with `indent` blanks (> 0). */
size_t text_print_lines(FILE *to, const char *text, int indent);
/* As text_print on stdout, filled with blanks to `width` columns. */
void cell_print(const char *text, size_t width);
/* A line "key  value"; nothing for NULL or "". */
void field_print(const char *key, const char *value);

/* JSON on stdout, key NULL inside arrays and at the top. */
struct json_out {
    bool comma;
};
void json_open(struct json_out *j, const char *key, char bracket);
void json_shut(struct json_out *j, char bracket);
void json_text(struct json_out *j, const char *key, const char *text);
void json_count(struct json_out *j, const char *key, int64_t n);
void json_bool(struct json_out *j, const char *key, bool yes);
void json_time(struct json_out *j, const char *key, int64_t ms);
/* A value that is JSON text already; NULL: null. */
void json_value(struct json_out *j, const char *key, const char *value);
void status_json(const struct stint_status *t, unsigned flags);

/* ---- Colours and tables ------------------------------------------------ */

enum paint {
    PAINT_NONE,
    PAINT_HEAD, /* the heads of columns */
    PAINT_BUSY, /* RUNNING */
    PAINT_GOOD, /* COMPLETED */
    PAINT_WARN, /* STOPPED */
    PAINT_BAD,  /* FAILED */
};
/* The colour of a state's word. */
enum paint paint_of(const char *word);
/* The escape sequence that begins it; "" for none. */
const char *paint_code(enum paint paint);
/* --color; with auto: stdout is a terminal that can, and NO_COLOR is not set. */
bool colour_on(const struct common *common);

/* An aligned table on stdout; zeroed, but for colour. At most 64 columns. */
struct table {
    bool colour;
    size_t columns;
    size_t n, room;
    struct table_cell {
        char *text;
        enum paint paint;
    } * cells;
    uint64_t right; /* bit i: column i is aligned at the right */
    size_t *width;  /* of each column at least; NULL: as wide as what is in it */
};
/* How many columns there are, and the first row. */
void table_heads(struct table *t, const char *const *heads, size_t n);
/* Instead of heads: how many columns there are, each at least so wide. */
void table_widths(struct table *t, const size_t *widths, size_t n);
/* The cells of a row in their order. NULL and "": a dash. */
void table_add(struct table *t, const char *cell);
/* A state, in its colour. */
void table_add_word(struct table *t, const char *word);
/* Aligned at the right. */
void table_add_right(struct table *t, const char *cell, enum paint paint);
/* A number; painted if it is not 0. */
void table_add_count(struct table *t, int64_t n, enum paint paint);
/* As it is, also "". */
void table_add_cell(struct table *t, const char *cell, enum paint paint);
/* Prints the rows and forgets them; the widths are kept for what follows. */
void table_print(struct table *t);
void table_free(struct table *t);

/* ---- Progress ---------------------------------------------------------- */

struct progress {
    bool on; /* stderr is a terminal */
    bool drawn;
    double started_s;
    double drawn_s;
    size_t first; /* done when it started */
    size_t base;  /* added to what the callback says */
    size_t total; /* 0: what the callback says */
};
void progress_start(struct progress *p, size_t total);
/* A stint_progress_fn; arg is the struct progress. */
void progress_update(size_t done, size_t total, void *arg);
/* The bar of one task that says itself how far it is. */
void progress_percent(struct progress *p, double percent);
void progress_end(struct progress *p);

#endif
