"""The only folder that touches the disk: bounded reads, durable writes, the lock, and the tree a manifest may read.

Rules it keeps: what is called written is on the disk (file and folder are synced); a file is replaced whole or not at
all; a manifest reads nothing outside its tree, symlinks resolved first. What it cannot promise: a disk that lies about
fsync. It knows no format.
"""

from kbatch.files.growing import Appender, LineFile, PartFile, cut_back, part_of
from kbatch.files.lock import Holder, Lock
from kbatch.files.reading import (
    MEBIBYTE,
    Look,
    There,
    digest_of_input,
    examine,
    files_below,
    names_in,
    opened,
    packaged,
    packaged_cards,
    packaged_page,
    read_bytes,
    read_if_there,
    sha256_of,
    size_of,
)
from kbatch.files.tree import Folder, check_reference, is_hidden
from kbatch.files.writing import (
    link_or_copy,
    merge_copies,
    move,
    remove,
    replacing,
    sync_folder,
    write_atomic,
    write_lightly,
    write_new,
)

__all__ = [
    "MEBIBYTE",
    "Appender",
    "Folder",
    "Holder",
    "LineFile",
    "Lock",
    "Look",
    "PartFile",
    "There",
    "check_reference",
    "cut_back",
    "digest_of_input",
    "examine",
    "files_below",
    "is_hidden",
    "link_or_copy",
    "merge_copies",
    "move",
    "names_in",
    "opened",
    "packaged",
    "packaged_cards",
    "packaged_page",
    "part_of",
    "read_bytes",
    "read_if_there",
    "remove",
    "replacing",
    "sha256_of",
    "size_of",
    "sync_folder",
    "write_atomic",
    "write_lightly",
    "write_new",
]
