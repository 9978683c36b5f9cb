"""Which files there are to digest."""

from __future__ import annotations

import os
import stat
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Files:
    """The regular files below a directory, by name as bytes; links aren't followed."""

    paths: list[bytes] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def collect(self, top: Path, left_out: frozenset[bytes] = frozenset()) -> Files:
        """Adds what is below `top`, but for the folders to leave out. What vanishes meanwhile isn't there."""
        for folder, folders, names in os.walk(os.fsencode(top), onerror=self.complain):
            folders[:] = sorted(set(folders) - left_out)
            for name in sorted(names):
                path = os.path.join(folder, name)
                try:
                    if stat.S_ISREG(os.lstat(path).st_mode):
                        self.paths.append(path)
                except FileNotFoundError:
                    continue
        return self

    def complain(self, error: OSError) -> None:
        self.complaints.append(f"{shown(error.filename)}: {error.strerror}")


def files_to_digest(directory: Path | None) -> Files:
    """All below the directory; by default the standard library, without what pip or apt put below it."""
    if directory:
        return Files().collect(directory)
    installed = frozenset({b"site-packages", b"dist-packages"})
    return Files().collect(Path(sysconfig.get_paths()["stdlib"]), installed)


def shown(name: bytes) -> str:
    """For a terminal, whatever the bytes are."""
    return name.decode(errors="backslashreplace")
