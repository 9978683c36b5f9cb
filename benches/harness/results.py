"""benches/results.json: all that was measured, round by round. Pages and charts are made from it alone."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from . import c_peers, python_peers
from .base import Peer, Workload
from .cells import Row

WORKLOADS: tuple[Workload, ...] = (*c_peers.WORKLOADS, *python_peers.WORKLOADS)
PEERS: dict[str, tuple[Peer, ...]] = {"C": c_peers.PEERS, "Python": python_peers.PEERS}


@dataclass
class Results:
    """`skipped`: the names of peers that were not here. `settings`: rounds, tasks, interpreters."""

    machine: dict[str, str]
    settings: dict[str, Any]
    skipped: list[str]
    rows: list[Row] = field(default_factory=list)

    @property
    def tables(self) -> list[str]:
        return list(dict.fromkeys(row.workload.table for row in self.rows))

    def row(self, workload: str, peer: str) -> Row:
        """KeyError: it was not measured."""
        for row in self.rows:
            if (row.workload.name, row.peer.name) == (workload, peer):
                return row
        raise KeyError(f"{workload}: {peer}")


def dump(results: Results) -> str:
    """JSON with a line for each row."""
    head = {"machine": results.machine, "settings": results.settings, "not_installed": results.skipped}
    lines = [
        {
            "table": row.workload.table,
            "workload": row.workload.name,
            "peer": row.peer.name,
            "version": row.version,
            "futures": row.peer.futures,
            "ours": row.peer.ours,
            "offered": not row.not_offered,
            "deadlock": row.deadlock,
            "failures": row.failures,
            "values": row.values,
        }
        for row in results.rows
    ]
    body = ",\n  ".join(json.dumps(line) for line in lines)
    return f'{json.dumps(head, indent=1)[:-2]},\n "rows": [\n  {body}\n ]\n}}\n'


def load(text: str) -> Results:
    """What `dump` wrote. ValueError: it is of another state of the harness; `make bench` writes it anew."""
    told = json.loads(text)
    results = Results(told["machine"], told["settings"], told["not_installed"])
    for line in told["rows"]:
        row = Row(
            _named(WORKLOADS, line["workload"]),
            _named(PEERS[line["table"]], line["peer"]),
            line["version"],
            not line["offered"],
            line["deadlock"],
            line["failures"],
            line["values"],
        )
        results.rows.append(row)
    return results


def _named(things: Iterable[Any], name: str) -> Any:
    for thing in things:
        if thing.name == name:
            return thing
    raise ValueError(f"results.json speaks of {name}, which the harness doesn't know: run `make bench`")
