"""The control groups of this process, of both versions: the folders of one controller.

Source: cgroups(7), /proc/self/cgroup; Linux cgroup-v2.rst (one tree) and cgroup-v1 (one for each
controller, or for a few).
"""

from pathlib import Path

PROCESS_FILE = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")


def folders(controller: str, *, process_file: Path = PROCESS_FILE, root: Path = ROOT) -> list[Path]:
    """Return the folder of the group of this process and those around it, nearest first.

    In a container only the root may be visible, which is then the container's own group.

    Args:
        controller: Its name: cpu or memory.
        process_file: Names the group of this process.
        root: Where the control group file system is mounted.
    """
    found: list[Path] = []
    for line in read(process_file).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            tops = [root]
        elif controller in controllers.split(","):
            # Controllers of one tree share a folder; their own names are links to it.
            tops = [root / controllers, root / controller]
        else:
            continue
        for top in tops:
            group = top / path.lstrip("/")
            found += [one for one in (group, *group.parents) if one.is_relative_to(top)]
    return [one for one in dict.fromkeys(found or [root, root / controller]) if one.is_dir()]


def read(file: Path) -> str:
    """Return the text of a file, "" where there is none or it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
