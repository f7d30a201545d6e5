/* SPDX-License-Identifier: MIT */
#include "ending.h"

#include <stdio.h>

void ending_describe(const struct run *run, enum run_outcome ending,
                     char error[static ERROR_BYTES_MAX + 1])
{
    if (ending == RUN_TIMEOUT)
        snprintf(error, ERROR_BYTES_MAX + 1, "timeout after %g s",
                 (double)run->timeout_ms / 1000);
    else if (error[0] == '\0')
        snprintf(error, ERROR_BYTES_MAX + 1, "stopped");
}
