"""joblib's backend "threading"."""

import joblib

PACKAGE = "joblib"


def make_pool(workers):
    return joblib.Parallel(n_jobs=workers, backend="threading").__enter__()


def submit(parallel, fn, count):
    task = joblib.delayed(fn)
    return parallel(task() for _ in range(count))
