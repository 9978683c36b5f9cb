"""A package, so that these tests can be run together with those of the bindings."""
