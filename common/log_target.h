/* A file of lines: opened for appending, opened again after rotation. A line is written with one
 * write(2), so that lines of several processes in one file stay whole, and is in the kernel when
 * the call returns: kill -9 loses none. For log.c and audit.c. */
#ifndef COMMON_LOG_TARGET_H
#define COMMON_LOG_TARGET_H

#include "common/str.h"

struct log_target {
    char *path;     /* NULL: fd is standard error, or nothing */
    int fd;         /* -1: nothing */
    uint64_t lost;  /* lines that could not be written (disk full) and were not reported yet */
    bool is_broken; /* a line was written in part */
};

/* Keeps the old file when the new one cannot be opened. ERR_IO; without a path nothing is done. */
NODISCARD enum err log_target_open(struct log_target *t);
void log_target_close(struct log_target *t);

/* line ends in LF. Returns false when it is lost; counted in t->lost. */
bool log_target_put(struct log_target *t, struct str line);

#endif
