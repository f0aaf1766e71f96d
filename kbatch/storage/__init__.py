"""The only folder that touches the disk: bounded reads, durable writes, the lock, and the tree a manifest may read.

Rules it keeps: what is called written is on the disk (file and folder are synced); a file is replaced whole or not at
all; a manifest reads nothing outside its tree, symlinks resolved first; nothing is written through a symlink that git
tracks. What it cannot promise: a disk that lies about fsync. It knows no format.
"""

from kbatch.storage.append import Appender, LineFile, PartFile, cut_back, part_of
from kbatch.storage.atomic import (
    copy,
    link_or_copy,
    merge_copies,
    move,
    remove,
    replacing,
    touch,
    try_writing,
    write_atomic,
    write_lightly,
    write_new,
)
from kbatch.storage.card_folder import cards_in
from kbatch.storage.links import Followed, LinkRefused, Way, is_link, repository_of, resolve
from kbatch.storage.lock import Holder, Lock
from kbatch.storage.manifest_tree import Folder, check_reference, is_hidden
from kbatch.storage.output_targets import descriptor_of, is_replaced, put, putting
from kbatch.storage.reading import (
    MEBIBYTE,
    FileStatus,
    FolderSnapshot,
    can_be_named,
    cards_below,
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

__all__ = [
    "MEBIBYTE",
    "Appender",
    "FileStatus",
    "Folder",
    "FolderSnapshot",
    "Followed",
    "Holder",
    "LineFile",
    "LinkRefused",
    "Lock",
    "PartFile",
    "Way",
    "can_be_named",
    "cards_below",
    "cards_in",
    "check_reference",
    "copy",
    "cut_back",
    "descriptor_of",
    "digest_of_input",
    "examine",
    "files_below",
    "is_hidden",
    "is_link",
    "is_replaced",
    "link_or_copy",
    "merge_copies",
    "move",
    "names_in",
    "opened",
    "packaged",
    "packaged_cards",
    "packaged_page",
    "part_of",
    "put",
    "putting",
    "read_bytes",
    "read_if_there",
    "remove",
    "replacing",
    "repository_of",
    "resolve",
    "sha256_of",
    "size_of",
    "touch",
    "try_writing",
    "write_atomic",
    "write_lightly",
    "write_new",
]
