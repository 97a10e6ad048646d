"""What the operating system refuses, in a sentence that an operator can act on (pure)."""

import errno
from typing import Final

NOT_FOR_US: Final = "this user may not use {}: look at its owner and mode"
REASONS: Final = {
    errno.EACCES: NOT_FOR_US,
    errno.EPERM: NOT_FOR_US,
    errno.ENOENT: "{} is not there",
    errno.ENOTDIR: "{} leads through a file as if it were a directory",
    errno.EEXIST: "{} is a file where a directory should be",
    errno.EISDIR: "{} is a directory where a file should be",
    errno.EROFS: "{} is on a disk that takes no changes",
    errno.ENAMETOOLONG: "{} is longer than a file name may be",
    errno.ENOSPC: "the disk is full: {} could not be written",
    errno.EDQUOT: "the disk space of this user is used up: {} could not be written",
    errno.EMFILE: "too many files are open: raise the limit of open files",
}


def sentence(error: OSError) -> str:
    """Return what went wrong and with which file."""
    name = "a file" if error.filename is None else str(error.filename)
    known = REASONS.get(error.errno or 0)
    if known is not None:
        return known.format(name)
    return f"{name} cannot be used: {(error.strerror or type(error).__name__).lower()}"
