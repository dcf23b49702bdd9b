"""A copy of the sources to edit and build, as .ci/edits and .ci/replays do."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# In place of a pattern in an edit: the file is moved to what stands in place of the replacement.
MOVED = object()


class Copied:
    """What git would commit, without its history, in a temporary folder.

    It has another version number, so that cargo shares only the dependencies with the package proper.
    """

    def __init__(self, suffix, profile):
        self.folder = Path(tempfile.mkdtemp(prefix=f"fig6-{suffix}-"))
        self.tree = self.folder / "src-tree"
        self.fig6 = self.folder / "fig6"
        self.profile = profile
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True,
        ).stdout
        for name in listed.decode().split("\0"):
            if name and (ROOT / name).is_file():
                new = self.tree / name
                new.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, new)
        manifest = self.tree / "Cargo.toml"
        text, count = re.subn(
            r'(\[workspace\.package\]\nversion = "[^"]*)"', rf'\1-{suffix}"', manifest.read_text()
        )
        if count != 1:
            sys.exit("Cargo.toml does not give the workspace's packages a version")
        manifest.write_text(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def cargo(self, *arguments):
        environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
        subprocess.run(["cargo", *arguments], cwd=self.tree, env=environment, check=True)

    def build(self):
        """Builds the program as the tree is now; returns how many seconds that took."""
        started = time.monotonic()
        self.cargo("build", "--profile", self.profile, "--quiet")
        built = {"dev": "debug"}.get(self.profile, self.profile)
        shutil.copy2(TARGET / built / "fig6", self.fig6)
        return time.monotonic() - started

    @contextmanager
    def edited(self, edits):
        """Makes edits, each a file, a pattern whose first match is replaced, and what replaces it."""
        # Not the times of the files: cargo shall see that they are others once more.
        before = {file: (self.tree / file).read_text() for file, _, _ in edits}
        moved = [new for _, pattern, new in edits if pattern is MOVED]
        try:
            for file, pattern, new in edits:
                path = self.tree / file
                if pattern is MOVED:
                    path.rename(self.tree / new)
                    continue
                text = path.read_text()
                changed, count = re.subn(pattern, new, text, count=1)
                if not count or changed == text:
                    sys.exit(f"{file}: nothing to edit matches {pattern!r}")
                path.write_text(changed)
            yield
        finally:
            for file in moved:
                (self.tree / file).unlink(missing_ok=True)
            for file, text in before.items():
                (self.tree / file).write_text(text)

    @contextmanager
    def locked(self, package, old, new):
        """Locks another version of a crate of others."""
        lock = self.tree / "Cargo.lock"
        before = lock.read_text()
        self.cargo("update", "--quiet", "--package", f"{package}@{old}", "--precise", new)
        # An update may choose other versions elsewhere as well; only this package's is wanted.
        entry = re.search(first_lines(package, new), lock.read_text())
        if not entry or not re.search(first_lines(package, old), before):
            sys.exit(f"Cargo.lock does not have {package} {old} and then {new}")
        text = re.sub(first_lines(package, old), lambda _: entry[0], before)
        lock.write_text(text.replace(f'"{package} {old}"', f'"{package} {new}"'))
        try:
            yield
        finally:
            lock.write_text(before)


def first_lines(package, version):
    """The first lines of a package in the lock file."""
    return rf'name = "{package}"\nversion = "{re.escape(version)}"\nsource = ".*"\nchecksum = ".*"'
