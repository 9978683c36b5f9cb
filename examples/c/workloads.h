/*
 * The two workloads of the demo, as task functions: `void *task(void *job)`.
 *
 * Nothing here knows of offgil. Any function of this shape can be a task, out of a program (integrate.c,
 * digest.c) as well as out of a shared library that ctypes or cffi has opened.
 */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#include <stddef.h>
#include <stdint.h>

/* Integrate: the midpoints begin..end of the cosine over [0, pi/2], cut into strips of one width. */
typedef struct integrate_job {
    size_t begin;
    size_t end;
    double width;
    double sum; /* out: of the cosines; times `width` it is the area */
} integrate_job;

/* Cuts `points` strips into `count` jobs of (almost) equal size. */
void integrate_plan(integrate_job *jobs, size_t count, size_t points);

/* The task. Returns its job. */
void *integrate_task(void *job);

/* Digest: the SHA-256 of one file. */
typedef struct digest_job {
    const char *path;
    int32_t error;      /* out: 0, or the errno of what failed */
    uint8_t sha256[32]; /* out, if error is 0 */
} digest_job;

/*
 * Opens OpenSSL's libcrypto, without its headers: `library`, or under its usual names if that is NULL. To be
 * called once, before the first digest_task. Returns NULL, or what went wrong, in words.
 */
const char *digest_open(const char *library);

/* The task: blocking reads, hashed as they come. Returns its job. */
void *digest_task(void *job);

/* The SHA-256 of what is in memory. Returns 0 if libcrypto fails. */
int digest_bytes(const void *data, size_t length, uint8_t *sha256);

#endif
