/* SPDX-License-Identifier: MIT */
#include "trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"

int trusted_open(const char *path, struct stint_err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno == ENOMEM ? STINT_NOMEM : STINT_INVALID,
                       "cannot open %.120s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0) {
        err_set(err, STINT_INVALID, "cannot look at %.120s: %s", path,
                strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
        err_set(err, STINT_INVALID, "%.120s is a directory", path);
    } else if (S_ISREG(st.st_mode) && ((st.st_mode & S_IWOTH) ||
               ((st.st_mode & S_IWGRP) && st.st_gid != getegid()))) {
        err_set(err, STINT_INVALID, "%.120s may be written to by others (mode "
                "%03o): chmod go-w", path, (unsigned)st.st_mode & 0777);
    } else {
        return fd;
    }
    close(fd);
    return -1;
}
