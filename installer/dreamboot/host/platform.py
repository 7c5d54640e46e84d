"""What differs between POSIX and Windows below a `Host`: process groups, renaming over open files."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from dreamboot.host.windows import end_group, interrupt_group, own_group, remove_tree, replace
else:
    from dreamboot.host.posix import end_group, interrupt_group, own_group, remove_tree, replace

__all__ = ["end_group", "interrupt_group", "own_group", "remove_tree", "replace"]
