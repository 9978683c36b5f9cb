/*
 * One SHA-256 of a whole directory: walks it and hashes its files, a task for each directory and each file.
 *
 *     tree /usr/include
 *
 * prints what this prints, except that it names the directory:
 *
 *     cd /usr/include; find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -z | sha256sum
 *
 * Symbolic links are not followed. What can't be read is named on standard error and left out; the exit
 * status is 1 then.
 */
#define _DEFAULT_SOURCE
#include "common.h"
#include "workloads.h"

#include <dirent.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: tree [-w WORKERS] [-l LIBCRYPTO] [-v] DIRECTORY\n"
                            "  -w  threads of the pool; 0, the default: one per CPU\n"
                            "  -l  the libcrypto to open, if it isn't found under its usual names\n"
                            "  -v  prints the digest of each file, too\n";

/* What has been found: tasks add to it, and it grows while they run. */
static struct {
    pthread_mutex_t lock;
    digest_job **jobs;
    size_t count, room;
    group_t *group;
} found = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char *join(const char *directory, const char *name) {
    size_t length = strlen(directory) + strlen(name) + 2;
    char *path = allocate(length, 1);
    snprintf(path, length, "%s/%s", directory, name);
    return path;
}

/* Keeps the job; its path is its own. */
static digest_job *keep(const char *path, int error) {
    digest_job *job = allocate(1, sizeof *job);
    job->path = path;
    job->error = error;
    pthread_mutex_lock(&found.lock);
    if (found.count == found.room) {
        found.room = found.room ? 2 * found.room : 1024;
        found.jobs = realloc(found.jobs, found.room * sizeof *found.jobs);
        if (!found.jobs) {
            fputs("out of memory\n", stderr);
            exit(EXIT_FAILURE);
        }
    }
    found.jobs[found.count++] = job;
    pthread_mutex_unlock(&found.lock);
    return job;
}

/* The task of a directory, whose path it owns: spawns one for each thing in it. */
static void *walk(void *arg) {
    char *path = arg;
    DIR *directory = opendir(path);
    if (!directory) {
        keep(path, errno);
        return NULL;
    }
    struct dirent *entry;
    while (errno = 0, (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *below = join(path, entry->d_name);
        struct stat what;
        if (lstat(below, &what) != 0)
            keep(below, errno);
        else if (S_ISDIR(what.st_mode))
            check(group_spawn(found.group, walk, below), "group_spawn");
        else if (S_ISREG(what.st_mode))
            check(group_spawn(found.group, digest_task, keep(below, 0)), "group_spawn");
        else
            free(below);
    }
    int error = errno;
    closedir(directory);
    if (error)
        keep(path, error);
    else
        free(path);
    return NULL;
}

static int by_path(const void *left, const void *right) {
    const digest_job *const *one = left, *const *other = right;
    return strcmp((*one)->path, (*other)->path);
}

/* The lines of sha256sum -z, in the order of the paths. Returns how many could not be read. */
static size_t write_lines(FILE *lines, size_t root_length, int verbose) {
    size_t unreadable = 0;
    for (size_t i = 0; i < found.count; i++) {
        const digest_job *job = found.jobs[i];
        if (job->error) {
            fprintf(stderr, "tree: %s: %s\n", job->path, strerror(job->error));
            unreadable++;
            continue;
        }
        char hex[2 * sizeof job->sha256 + 1];
        for (size_t byte = 0; byte < sizeof job->sha256; byte++)
            snprintf(hex + 2 * byte, 3, "%02x", job->sha256[byte]);
        fprintf(lines, "%s  .%s%c", hex, job->path + root_length, '\0');
        if (verbose)
            printf("%s  .%s\n", hex, job->path + root_length);
    }
    return unreadable;
}

/* Prints the digest of all lines together. Returns how many files could not be read. */
static size_t print_total(const char *root, int verbose) {
    char *text = NULL;
    size_t length = 0;
    FILE *lines = made(open_memstream(&text, &length), "open_memstream");
    size_t unreadable = write_lines(lines, strlen(root), verbose);
    fclose(lines);
    uint8_t sha256[32];
    if (!digest_bytes(text, length, sha256)) {
        fputs("tree: libcrypto can't hash\n", stderr);
        exit(EXIT_FAILURE);
    }
    for (size_t byte = 0; byte < sizeof sha256; byte++)
        printf("%02x", sha256[byte]);
    printf("  %s\n", root);
    free(text);
    return unreadable;
}

static void digest_tree(const char *root, size_t workers) {
    pool_t *pool = made(pool_create((uint32_t)workers), "pool_create");
    found.group = made(group_create(pool, NULL), "group_create");
    char *path = allocate(strlen(root) + 1, 1);
    strcpy(path, root);
    check(group_spawn(found.group, walk, path), "group_spawn");
    check(group_wait(found.group, OFFGIL_FOREVER), "group_wait");
    check(group_release(found.group), "group_release");
    check(pool_destroy(pool), "pool_destroy");
    if (found.count)
        qsort(found.jobs, found.count, sizeof *found.jobs, by_path);
}

int main(int argc, char **argv) {
    size_t workers = 0;
    const char *library = NULL;
    int verbose = 0;
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        end_with(usage, 1);
    for (int letter; (letter = getopt(argc, argv, "w:l:vh")) != -1;) {
        if (letter == 'w') {
            workers = number(optarg, 0, 4096);
        } else if (letter == 'l') {
            library = optarg;
        } else if (letter == 'v') {
            verbose = 1;
        } else {
            end_with(usage, letter == 'h');
        }
    }
    if (optind != argc - 1) {
        fputs("tree: one directory is needed\n", stderr);
        end_with(usage, 0);
    }
    const char *problem = digest_open(library);
    if (problem) {
        fprintf(stderr, "tree: %s\n", problem);
        return EXIT_FAILURE;
    }
    double started = now_ms();
    digest_tree(argv[optind], workers);
    size_t unreadable = print_total(argv[optind], verbose);
    fprintf(stderr, "%zu files in %.4f ms\n", found.count - unreadable, now_ms() - started);

    for (size_t i = 0; i < found.count; i++) {
        free((char *)found.jobs[i]->path);
        free(found.jobs[i]);
    }
    free(found.jobs);
    return unreadable ? EXIT_FAILURE : EXIT_SUCCESS;
}
