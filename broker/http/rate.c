/* SPDX-License-Identifier: MIT */
#include "rate.h"

#include <arpa/inet.h>
#include <string.h>

void rate_init(struct rate *r, double per_s, double burst, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    r->per_s = per_s;
    r->burst = burst;
    r->seed = seed;
}

int rate_is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 ||
           strncmp(address, "::ffff:127.", 11) == 0;
}

/* FNV-1a, seeded, with a last mix. Never 0. */
static uint64_t bytes_hash(uint64_t h, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * UINT64_C(1099511628211);
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    return h | 1;
}

static uint64_t address_key(const struct rate *r, const char *address)
{
    struct in6_addr v6;
    if (strchr(address, ':') != NULL && inet_pton(AF_INET6, address, &v6) == 1 &&
        !IN6_IS_ADDR_V4MAPPED(&v6))
        return bytes_hash(r->seed, v6.s6_addr, 8);
    return bytes_hash(r->seed, (const unsigned char *)address,
                      strlen(address));
}

static struct rate_bucket *rate_find(struct rate *r, uint64_t key,
                                     int64_t now_ms)
{
    struct rate_bucket *set = r->at[(key >> 1) % RATE_SETS], *oldest = set;
    for (int i = 0; i < RATE_WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].key == 0 || set[i].at_ms < oldest->at_ms)
            oldest = &set[i];
    }
    *oldest = (struct rate_bucket){key, r->burst, now_ms};
    return oldest;
}

int rate_take(struct rate *r, const char *address, int64_t now_ms)
{
    if (r->burst < 1)
        return 1;
    struct rate_bucket *b = rate_find(r, address_key(r, address), now_ms);
    b->left += (double)(now_ms - b->at_ms) / 1000 * r->per_s;
    if (b->left > r->burst)
        b->left = r->burst;
    b->at_ms = now_ms;
    if (b->left < 1)
        return 0;
    b->left -= 1;
    return 1;
}
