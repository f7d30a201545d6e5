/* SPDX-License-Identifier: MIT */
/* What was found, for people and for programs. */
#include <inttypes.h>
#include <string.h>

#include "check.h"

/* ---- records ----------------------------------------------------------------*/

static bool has_status(unsigned kind)
{
    return kind == HISTORY_SEEN || kind == HISTORY_REPORT_SENT ||
           kind == HISTORY_REPORT || kind == HISTORY_FINAL ||
           kind == HISTORY_FINAL_RUN;
}

void record_print(const struct history_record *r, uint64_t begin_us, FILE *to)
{
    fprintf(to, "      %12.6f  %5u  %-11s %-8s",
            (double)(int64_t)(r->mono_us - begin_us) / 1e6, r->actor,
            history_kind_word(r->kind), history_outcome_word(r->outcome));
    if (r->fence != 0)
        fprintf(to, " fence %" PRIu64, r->fence);
    if (r->token != 0)
        fprintf(to, " token %08" PRIx64, r->token & 0xffffffff);
    if (has_status(r->kind))
        fprintf(to, " %s", history_status_word(r->value[0]));
    if (r->kind == HISTORY_FAULT_BEGIN || r->kind == HISTORY_FAULT_END)
        fprintf(to, " %s", history_fault_word(r->value[0]));
    fprintf(to, " [%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "]\n",
            r->value[0], r->value[1], r->value[2], r->value[3]);
}

/* ---- for people -------------------------------------------------------------*/

static void histogram_line(const char *what, const struct histogram *h,
                           FILE *to)
{
    int64_t n = histogram_count(h);
    if (n == 0)
        return;
    fprintf(to,
            "%s: %" PRId64 " times, p50 %.3f s, p99 %.3f s, longest "
            "%.3f s\n",
            what, n, (double)histogram_quantile_us(h, 0.5) / 1e6,
            (double)histogram_quantile_us(h, 0.99) / 1e6,
            (double)histogram_max_us(h) / 1e6);
    histogram_print(to, h);
}

static void verdicts_print(const struct checked *c, FILE *to)
{
    fprintf(to, "%-4s %-56s %11s %10s %9s\n", "", "check", "examined",
            "violations", "excused");
    for (int i = 0; i < n_check_rows; i++) {
        const struct verdict *v = &c->verdicts[i];
        fprintf(to, "%-4s %-56s %11" PRIu64 " %10" PRIu64 " %9" PRIu64 "\n",
                check_rows[i].name, check_rows[i].text, v->examined,
                v->violations, v->excused);
    }
}

static void examples_print(const struct checked *c, FILE *to)
{
    for (int i = 0; i < n_check_rows; i++) {
        const struct verdict *v = &c->verdicts[i];
        for (int j = 0; j < v->n_examples; j++) {
            const struct example *e = &v->examples[j];
            fprintf(to, "\n%s  %s\n", check_rows[i].name, e->text);
            if (e->timeline != NULL)
                fprintf(to, "%s", e->timeline);
        }
    }
}

static void repeats_print(const struct measures *m, FILE *to)
{
    fprintf(to,
            "runs: %" PRIu64 ", of these not counted and run again: "
            "%" PRIu64 "\n",
            m->runs, m->repeated_runs);
    for (int i = 0; i < HISTORY_FAULTS_N; i++)
        if (m->repeated_by[i] > 0)
            fprintf(to, "    %10" PRIu64 "  by %s\n", m->repeated_by[i],
                    i == FAULT_NONE ? "a release, or a worker that left"
                                    : history_fault_word(i));
    fprintf(to,
            "overlaps after a lease had ended: %" PRIu64
            "; late writes refused by the resource: %" PRIu64 "\n",
            m->overlaps, m->late_effects);
}

static const struct verdict *verdict_of(const struct checked *c,
                                        const char *name)
{
    for (int i = 0; i < n_check_rows; i++)
        if (strcmp(check_rows[i].name, name) == 0)
            return &c->verdicts[i];
    return NULL;
}

void checked_print(const struct checked *c, const struct check_options *o,
                   FILE *to)
{
    const struct measures *m = &c->measures;
    fprintf(to,
            "%" PRIu64 " records in %" PRIu64 " files (%" PRIu64
            " cut off), %" PRIu64 " tasks, level %d\n\n",
            c->n_records, c->n_files, c->n_torn, c->n_tasks, o->level);
    verdicts_print(c, to);
    fprintf(to,
            "\ntasks acknowledged: %" PRIu64 "; of unknown outcome: %" PRIu64
            " there, %" PRIu64 " not\n",
            m->acknowledged, m->unknown_there, m->unknown_absent);
    repeats_print(m, to);
    fprintf(to,
            "time: %" PRId64 " s, of these within a fault of all and its "
            "recovery: %" PRId64 " s\n",
            m->seconds, m->seconds_of_faults);
    histogram_line("from the end of a fault to the next result", &m->resume,
                   to);
    histogram_line("from a worker's death to the next run of its tasks",
                   &m->rescue, to);
    const struct verdict *lost = verdict_of(c, "C1");
    const struct verdict *twice = verdict_of(c, "C4");
    if (m->acknowledged > 0 && lost->violations == 0 && twice->violations == 0)
        fprintf(to,
                "0 of %" PRIu64 " lost, 0 with two results: with 95 %% "
                "confidence below %.2g of all%s\n",
                m->acknowledged, 3.0 / (double)m->acknowledged,
                lost->excused + twice->excused > 0 ? ", but for:" : "");
    if (lost->excused + twice->excused > 0)
        fprintf(to,
                "level 1: %" PRIu64 " acknowledged tasks were lost, %" PRIu64
                " ran again, with the last moments of a stopped Redis\n",
                lost->excused, twice->excused);
    examples_print(c, to);
    uint64_t n = checked_violations(c);
    fprintf(to, "\n%s", n == 0 ? "clean\n" : "");
    if (n > 0)
        fprintf(to, "%" PRIu64 " violations\n", n);
}

/* ---- for programs -----------------------------------------------------------*/

static void json_text(const char *text, FILE *to)
{
    fputc('"', to);
    for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
        if (*s == '"' || *s == '\\')
            fprintf(to, "\\%c", *s);
        else if (*s < 0x20 || *s >= 0x7f)
            fprintf(to, "\\u%04x", *s);
        else
            fputc(*s, to);
    }
    fputc('"', to);
}

static void json_histogram(const char *name, const struct histogram *h,
                           FILE *to)
{
    fprintf(to,
            "\"%s\":{\"n\":%" PRId64 ",\"p50_us\":%" PRId64
            ",\"p99_us\":%" PRId64 ",\"max_us\":%" PRId64 "},",
            name, histogram_count(h), histogram_quantile_us(h, 0.5),
            histogram_quantile_us(h, 0.99), histogram_max_us(h));
}

static void json_verdict(const struct check_row *row, const struct verdict *v,
                         FILE *to)
{
    fprintf(to,
            "{\"check\":\"%s\",\"examined\":%" PRIu64 ",\"violations\":%" PRIu64
            ",\"excused\":%" PRIu64 ",\"examples\":[",
            row->name, v->examined, v->violations, v->excused);
    for (int i = 0; i < v->n_examples; i++) {
        fprintf(to, "%s", i > 0 ? "," : "");
        json_text(v->examples[i].text, to);
    }
    fprintf(to, "]}");
}

void checked_print_json(const struct checked *c, const struct check_options *o,
                        FILE *to)
{
    const struct measures *m = &c->measures;
    fprintf(to,
            "{\"records\":%" PRIu64 ",\"files\":%" PRIu64
            ",\"cut_off\":%" PRIu64 ",\"tasks\":%" PRIu64
            ",\"level\":%d,\"acknowledged\":%" PRIu64
            ",\"unknown_there\":%" PRIu64 ",\"unknown_absent\":%" PRIu64
            ",\"runs\":%" PRIu64 ",\"repeated_runs\":%" PRIu64
            ",\"overlaps\":%" PRIu64 ",\"late_effects\":%" PRIu64 ",",
            c->n_records, c->n_files, c->n_torn, c->n_tasks, o->level,
            m->acknowledged, m->unknown_there, m->unknown_absent, m->runs,
            m->repeated_runs, m->overlaps, m->late_effects);
    json_histogram("resume", &m->resume, to);
    json_histogram("rescue", &m->rescue, to);
    fprintf(to, "\"checks\":[");
    for (int i = 0; i < n_check_rows; i++) {
        fprintf(to, "%s", i > 0 ? "," : "");
        json_verdict(&check_rows[i], &c->verdicts[i], to);
    }
    fprintf(to, "],\"violations\":%" PRIu64 "}\n", checked_violations(c));
}
