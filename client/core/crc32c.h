/* SPDX-License-Identifier: MIT */
/* CRC-32C (Castagnoli): polynomial 0x1edc6f41, reflected, as in iSCSI. */
#ifndef STINT_CORE_CRC32C_H
#define STINT_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of data; crc: 0, or what the bytes before it gave. "123456789" gives
 * 0xe3069283. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
