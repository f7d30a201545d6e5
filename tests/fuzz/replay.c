/* SPDX-License-Identifier: MIT */
/* main for a target where there is no libFuzzer: gives it the files named, and
 * those of the directories named, one after the other. */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_BYTES_MAX (1024 * 1024)

static int file_replay(const char *path)
{
    static uint8_t room[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    size_t n = fread(room, 1, sizeof(room), file);
    fclose(file);
    uint8_t *data = malloc(n + (n == 0)); /* of its very size */
    must(data != NULL);
    memcpy(data, room, n);
    if (getenv("STINT_TEST_VERBOSE") != NULL)
        fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 1;
}

static int path_replay(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return file_replay(path);
    int n = 0;
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        char name[4096];
        struct stat st;
        snprintf(name, sizeof(name), "%s/%s", path, d->d_name);
        if (stat(name, &st) == 0 && S_ISREG(st.st_mode))
            n += file_replay(name);
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    int n = 0;
    for (int i = 1; i < argc; i++)
        n += path_replay(argv[i]);
    printf("%d inputs\n", n);
    return n > 0 ? 0 : 1; /* a corpus that was lost is no success */
}
