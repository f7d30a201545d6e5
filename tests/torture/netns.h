/* SPDX-License-Identifier: MIT */
/* Network namespaces, each with a pair of virtual cards to the host: inside is
 * 10.77.N.2, the host 10.77.N.1. For partitions. Needs root and ip(8). */
#ifndef STINT_TESTS_NETNS_H
#define STINT_TESTS_NETNS_H

/* -1: not allowed here. `tag` is part of the names: the runner's pid. */
int netns_make(int tag, int n);
/* In a child, before exec. -1: no. */
int netns_enter(int tag, int n);
void netns_cut(int tag, int n, int cut);
void netns_remove(int tag, int n);

#endif
