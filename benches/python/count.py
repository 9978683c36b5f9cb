"""count.py WORKLOAD ADAPTER COUNT NATIVE: runs COUNT tasks of a cell of driver.py, for who counts them.

It looks at nothing, as looking is counted too.
"""

import sys

from driver import load, open_native, python_noop


def main():
    workload, adapter, count, path = sys.argv[1:]
    peer, native, count = load(adapter), open_native(path), int(count)
    pool = peer.make_pool(2)
    if workload == "map":
        peer.map_all(pool, native.odd, getattr(peer, "items", list)(range(count)))
    else:
        peer.submit(pool, python_noop if workload == "python" else native.noop, count)
    pool.shutdown()


if __name__ == "__main__":
    main()
