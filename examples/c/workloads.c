#define _POSIX_C_SOURCE 200809L
#include "workloads.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void integrate_plan(integrate_job *jobs, size_t count, size_t points) {
    const double half_pi = acos(0.0);
    size_t begin = 0;
    for (size_t i = 0; i < count; i++) {
        size_t end = begin + points / count + (i < points % count);
        jobs[i] = (integrate_job){.begin = begin, .end = end, .width = half_pi / (double)points};
        begin = end;
    }
}

void *integrate_task(void *arg) {
    integrate_job *job = arg;
    double sum = 0.0;
    for (size_t i = job->begin; i < job->end; i++)
        sum += cos(((double)i + 0.5) * job->width);
    job->sum = sum;
    return job;
}

/* What is used of libcrypto; its types stay opaque. */
static struct {
    void *(*context_new)(void);
    void (*context_free)(void *context);
    int (*init)(void *context, const void *algorithm, void *engine);
    int (*update)(void *context, const void *data, size_t length);
    int (*final)(void *context, unsigned char *digest, unsigned int *length);
    const void *sha256;
} crypto;

static const char *const usual_names[] = {"libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so",
                                          "libcrypto.3.dylib"};

/* ISO C has no cast from dlsym's pointer to a function's; POSIX says that copying it works. */
static int look_up(void *library, const char *name, void *function) {
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static const char *bind_functions(void *library) {
    if (!look_up(library, "EVP_MD_CTX_new", &crypto.context_new) ||
        !look_up(library, "EVP_MD_CTX_free", &crypto.context_free) ||
        !look_up(library, "EVP_DigestInit_ex", &crypto.init) ||
        !look_up(library, "EVP_DigestUpdate", &crypto.update) ||
        !look_up(library, "EVP_DigestFinal_ex", &crypto.final))
        return "this libcrypto lacks the EVP functions: OpenSSL 1.1 or newer is needed";

    /* OpenSSL 3 looks an algorithm up by name; once is enough for all threads. */
    void *(*fetch)(void *context, const char *name, const char *properties);
    const void *(*built_in)(void);
    if (look_up(library, "EVP_MD_fetch", &fetch))
        crypto.sha256 = fetch(NULL, "SHA256", NULL);
    else if (look_up(library, "EVP_sha256", &built_in))
        crypto.sha256 = built_in();
    return crypto.sha256 ? NULL : "this libcrypto has no SHA-256";
}

const char *digest_open(const char *name) {
    static char message[300];
    void *library = NULL;
    if (crypto.sha256)
        return NULL;
    if (name) {
        library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    } else {
        for (size_t i = 0; !library && i < sizeof usual_names / sizeof *usual_names; i++)
            library = dlopen(usual_names[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (library)
        return bind_functions(library);
    snprintf(message, sizeof message,
             "OpenSSL's libcrypto can't be opened as %s: install it (Debian: apt install libssl3) or say "
             "where it is",
             name ? name : "libcrypto.so.3 or another usual name");
    return message;
}

static int hash_file(int file, void *context, uint8_t *sha256) {
    unsigned char chunk[32 * 1024];
    if (!crypto.init(context, crypto.sha256, NULL))
        return ENOMEM;
    for (;;) {
        ssize_t got = read(file, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            return crypto.final(context, sha256, NULL) ? 0 : EIO;
        if (!crypto.update(context, chunk, (size_t)got))
            return EIO;
    }
}

void *digest_task(void *arg) {
    digest_job *job = arg;
    int file;
    do
        file = open(job->path, O_RDONLY | O_CLOEXEC);
    while (file < 0 && errno == EINTR);
    if (file < 0) {
        job->error = errno;
        return job;
    }
    void *context = crypto.context_new();
    job->error = context ? hash_file(file, context, job->sha256) : ENOMEM;
    crypto.context_free(context);
    close(file);
    return job;
}

int digest_bytes(const void *data, size_t length, uint8_t *sha256) {
    void *context = crypto.context_new();
    int done = context && crypto.init(context, crypto.sha256, NULL) && crypto.update(context, data, length) &&
               crypto.final(context, sha256, NULL);
    crypto.context_free(context);
    return done;
}
