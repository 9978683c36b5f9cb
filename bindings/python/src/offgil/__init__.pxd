# cython: language_level=3
"""`from offgil cimport pool_create, pool_submit, future_wait`: every C function, type and constant."""

from offgil.capi cimport *
