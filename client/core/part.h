/* SPDX-License-Identifier: MIT */
/* Groups in parts. A group may be spread over N parts, each with keys of its
 * own: part 0 of main is named main, as a group of one part is, part 3 is named
 * main~3. A task lives in the part that its id says. No user can name a part:
 * "~" is not allowed in names of groups. */
#ifndef STINT_CORE_PART_H
#define STINT_CORE_PART_H

#include <stddef.h>
#include <stint/stint.h>

/* The number that decides: CRC-16 (polynomial 0x1021, from 0) of the id up to
 * its first '@', modulo 16384; Redis's CLUSTER KEYSLOT says the same. */
unsigned part_slot(const char *id);
/* In which of n parts (at least 1) a task lives. */
int part_of_id(const char *id, int n);

/* The name of a part, "main" or "main~3". group and name may be the same
 * array. A group of more than one part has a name of at most
 * STINT_NAME_LEN - PARTS_SUFFIX_MAX bytes; a longer one is cut. */
void part_name(char name[static STINT_NAME_LEN + 1], const char *group,
               int part);
/* How much of a part's name is that of its group. */
size_t part_group_len(const char *name);
/* Reads "main" or "main 8", as the fleet's registry has it. Returns the number
 * of parts, 0: it is not understood. */
int part_read(const char *text, size_t len,
              char group[static STINT_NAME_LEN + 1]);
/* Makes main/ID of main~3/ID, in place. */
void part_ref_fold(char *ref);

#endif
