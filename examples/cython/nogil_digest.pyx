# cython: language_level=3
"""The SHA-256 of many files in Cython: blocking reads and OpenSSL's hash, all of it without the GIL.

libcrypto is opened at run time and called through pointers, and the C functions of offgil come with its
`cimport`: there is no compiler or linker flag. Ctrl-C is looked for while waiting.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR, errno
from libc.stdlib cimport calloc, free
from offgil cimport (
    OFFGIL_ETIMEDOUT, OFFGIL_FOREVER, OFFGIL_OK, POOL_CANCEL, future_release, future_t, future_wait_all,
    offgil_last_status, offgil_status, offgil_status_message, pool_create, pool_destroy, pool_shutdown,
    pool_submit_many, pool_t,
)
from posix.fcntl cimport O_RDONLY, open
from posix.unistd cimport close, read

cdef extern from "dlfcn.h" nogil:
    int RTLD_NOW
    void *dlopen(const char *name, int flags)
    void *dlsym(void *library, const char *name)

ctypedef void *(*context_new_fn)() noexcept nogil
ctypedef void (*context_free_fn)(void *context) noexcept nogil
ctypedef int (*init_fn)(void *context, const void *algorithm, void *engine) noexcept nogil
ctypedef int (*update_fn)(void *context, const void *data, size_t length) noexcept nogil
ctypedef int (*final_fn)(void *context, unsigned char *digest, unsigned int *length) noexcept nogil
ctypedef const void *(*fetch_fn)(void *context, const char *name, const char *properties) noexcept nogil
ctypedef const void *(*sha256_fn)() noexcept nogil

cdef context_new_fn context_new
cdef context_free_fn context_free
cdef init_fn digest_init
cdef update_fn digest_update
cdef final_fn digest_final
cdef const void *sha256 = NULL

cdef int SLICE_NS = 100_000_000


class CryptoMissing(RuntimeError):
    """OpenSSL's libcrypto isn't there, or isn't what it should be."""


cdef void *symbol(void *library, const char *name) except NULL:
    cdef void *address = dlsym(library, name)
    if address == NULL:
        raise CryptoMissing(f"this libcrypto lacks {name.decode()}: OpenSSL 1.1 or newer is needed")
    return address


def open_crypto(names) -> None:
    """Opens the first libcrypto of `names` that is there."""
    global context_new, context_free, digest_init, digest_update, digest_final, sha256
    cdef void *library = NULL
    for name in names:
        library = dlopen(name.encode(), RTLD_NOW)
        if library != NULL:
            break
    else:
        raise CryptoMissing(f"OpenSSL's libcrypto can't be opened as {' or '.join(names)}")
    context_new = <context_new_fn>symbol(library, "EVP_MD_CTX_new")
    context_free = <context_free_fn>symbol(library, "EVP_MD_CTX_free")
    digest_init = <init_fn>symbol(library, "EVP_DigestInit_ex")
    digest_update = <update_fn>symbol(library, "EVP_DigestUpdate")
    digest_final = <final_fn>symbol(library, "EVP_DigestFinal_ex")
    # OpenSSL 3 looks an algorithm up by name; once is enough for all threads.
    if dlsym(library, "EVP_MD_fetch") != NULL:
        sha256 = (<fetch_fn>symbol(library, "EVP_MD_fetch"))(NULL, "SHA256", NULL)
    else:
        sha256 = (<sha256_fn>symbol(library, "EVP_sha256"))()
    if sha256 == NULL:
        raise CryptoMissing("this libcrypto has no SHA-256")


ctypedef struct File:
    const char *path
    bint failed
    unsigned char digest[32]


cdef bint hash_open_file(int descriptor, void *context, unsigned char *digest) noexcept nogil:
    cdef unsigned char chunk[32768]
    cdef Py_ssize_t got
    if not digest_init(context, sha256, NULL):
        return False
    while True:
        got = read(descriptor, chunk, sizeof(chunk))
        if got < 0 and errno == EINTR:
            continue
        if got <= 0:
            return got == 0 and digest_final(context, digest, NULL) != 0
        if not digest_update(context, chunk, got):
            return False


cdef void *digest_file(void *argument) noexcept nogil:
    """The task: hashes its file. Returns it."""
    cdef File *file = <File *>argument
    cdef int descriptor = open(file.path, O_RDONLY)
    cdef void *context
    while descriptor < 0 and errno == EINTR:
        descriptor = open(file.path, O_RDONLY)
    file.failed = True
    if descriptor >= 0:
        context = context_new()
        if context != NULL:
            file.failed = not hash_open_file(descriptor, context, file.digest)
        context_free(context)
        close(descriptor)
    return file


cdef class Digests:
    """The digests of the files at `paths` (bytes), on a pool of its own (`workers` 0: one per CPU)."""
    cdef pool_t *pool
    cdef File *files
    cdef void **arguments
    cdef future_t **futures
    cdef size_t count
    cdef list paths  # keeps alive what `files` points to

    def __cinit__(self, paths, unsigned int workers):
        cdef size_t i
        if sha256 == NULL:
            raise CryptoMissing("open_crypto() comes first")
        self.paths = list(paths)
        self.count = len(self.paths)
        self.files = <File *>calloc(self.count + 1, sizeof(File))
        self.arguments = <void **>calloc(self.count + 1, sizeof(void *))
        self.futures = <future_t **>calloc(self.count + 1, sizeof(future_t *))
        if self.files == NULL or self.arguments == NULL or self.futures == NULL:
            raise MemoryError()
        for i in range(self.count):
            self.files[i].path = <bytes>self.paths[i]
            self.arguments[i] = &self.files[i]
        self.pool = pool_create(workers)
        if self.pool == NULL:
            raise RuntimeError(offgil_status_message(offgil_last_status()).decode())

    def __dealloc__(self):
        if self.pool != NULL:
            with nogil:
                pool_destroy(self.pool)
        free(self.futures)
        free(self.arguments)
        free(self.files)

    def serial(self) -> None:
        """The same files in a plain loop, for comparison."""
        cdef size_t i
        for i in range(self.count):
            with nogil:
                digest_file(&self.files[i])
            PyErr_CheckSignals()

    def parallel(self) -> None:
        """One task a file: one call submits all, one waits for all, in slices so that Ctrl-C gets through."""
        cdef offgil_status status
        try:
            with nogil:
                status = pool_submit_many(self.pool, digest_file, self.arguments, self.count, self.futures)
                if status == OFFGIL_OK:
                    status = OFFGIL_ETIMEDOUT
            while status == OFFGIL_ETIMEDOUT:
                with nogil:
                    status = future_wait_all(self.futures, self.count, SLICE_NS)
                PyErr_CheckSignals()
            if status != OFFGIL_OK:
                raise RuntimeError(offgil_status_message(status).decode())
        except BaseException:
            # The tasks write into memory that may go now: drop what is queued, wait for what runs.
            with nogil:
                pool_shutdown(self.pool, POOL_CANCEL, OFFGIL_FOREVER)
            raise
        finally:
            self.release_futures()

    cdef void release_futures(self) noexcept nogil:
        cdef size_t i
        for i in range(self.count):
            if self.futures[i] != NULL:
                future_release(self.futures[i])
                self.futures[i] = NULL

    def result(self) -> list:
        """The digests in the order of the paths; None where a file couldn't be read."""
        return [None if self.files[i].failed else self.files[i].digest[:32] for i in range(self.count)]
