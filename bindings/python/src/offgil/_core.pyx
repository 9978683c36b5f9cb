# cython: language_level=3, freethreading_compatible=True, auto_pickle=False
"""What every program needs of the compiled half. One module, as it is made in a third of the time that eight take."""

include "_call.pxi"
include "_completions.pxi"
include "_future.pxi"
include "_arguments.pxi"
include "_native.pxi"
include "_item.pxi"
include "_work.pxi"
include "_ends.pxi"
include "_executor.pxi"
