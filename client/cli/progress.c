/* SPDX-License-Identifier: MIT */
/* The progress bar: on stderr, only when that is a terminal. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void progress_start(struct progress *p, size_t total)
{
    memset(p, 0, sizeof *p);
    p->on = isatty(STDERR_FILENO);
    p->total = total;
    p->first = SIZE_MAX;
    p->started_s = now_s();
}

static const char full[] = "########################";
enum { BAR = sizeof full - 1 };

static void progress_draw(const struct progress *p, size_t done, size_t total,
                          double now)
{
    double part = total ? (double)done / (double)total : 1;
    double past = now - p->started_s;
    double rate = past > 0 ? (double)(done - p->first) / past : 0;
    char eta[TIME_TEXT_LEN] = "-";
    if (rate > 0)
        age_text((int64_t)((double)(total - done) / rate) * 1000, eta);
    int bar = (int)(part * BAR);
    fprintf(stderr, "\r[%.*s%*s] %zu/%zu %3d%% %.0f/s eta %s\x1b[K", bar, full,
            BAR - bar, "", done, total, (int)(part * 100),
            rate, eta);
    fflush(stderr);
}

void progress_update(size_t done, size_t total, void *arg)
{
    struct progress *p = arg;
    if (!p->on)
        return;
    done += p->base;
    if (p->total)
        total = p->total;
    if (done > total)
        done = total;
    if (p->first == SIZE_MAX || done < p->first)
        p->first = p->total ? 0 : done;
    double now = now_s();
    if (p->drawn && done < total && now - p->drawn_s < 0.1)
        return;
    p->drawn = true;
    p->drawn_s = now;
    progress_draw(p, done, total, now);
}

void progress_percent(struct progress *p, double percent)
{
    if (!p->on || percent < 0)
        return;
    if (percent > 100)
        percent = 100;
    int bar = (int)(percent / 100 * BAR);
    fprintf(stderr, "\r[%.*s%*s] %.0f%%\x1b[K", bar, full, BAR - bar, "",
            percent);
    fflush(stderr);
    p->drawn = true;
    p->drawn_s = now_s();
}

void progress_end(struct progress *p)
{
    if (p->drawn) {
        fputc('\n', stderr);
        fflush(stderr);
    }
    p->on = false;
    p->drawn = false;
}
