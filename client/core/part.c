/* SPDX-License-Identifier: MIT */
#include "part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "slots.h"

/* The parts of a broadcast, ID@1 and so on, live where it lives. */
unsigned part_slot(const char *id)
{
    return slots_of_key(id, strcspn(id, "@"));
}

int part_of_id(const char *id, int n)
{
    return n > 1 ? (int)(part_slot(id) % (unsigned)n) : 0;
}

void part_name(char name[static STINT_NAME_LEN + 1], const char *group,
               int part)
{
    size_t len = strnlen(group, STINT_NAME_LEN);
    memmove(name, group, len);
    name[len] = '\0';
    if (part == 0)
        return;
    if (len > STINT_NAME_LEN - PARTS_SUFFIX_MAX)
        len = STINT_NAME_LEN - PARTS_SUFFIX_MAX;
    snprintf(name + len, PARTS_SUFFIX_MAX + 1, "~%u",
             (unsigned)part % PARTS_MAX);
}

size_t part_group_len(const char *name)
{
    return strcspn(name, "~");
}

int part_read(const char *text, size_t len,
              char group[static STINT_NAME_LEN + 1])
{
    const char *blank = memchr(text, ' ', len);
    size_t name_len = blank != NULL ? (size_t)(blank - text) : len;
    long n = blank != NULL ? strtol(blank + 1, NULL, 10) : 1;
    if (name_len > STINT_NAME_LEN || n < 1 || n > PARTS_MAX)
        return 0;
    memcpy(group, text, name_len);
    group[name_len] = '\0';
    return (int)n;
}

void part_ref_fold(char *ref)
{
    size_t slash = strcspn(ref, "/"), group = part_group_len(ref);
    if (group < slash)
        memmove(ref + group, ref + slash, strlen(ref + slash) + 1);
}
