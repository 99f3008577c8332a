#!/usr/bin/env python3
"""A reader of the log that shares nothing with the program: written from store/FORMAT.md alone.

Usage: read_log.py DATA_FOLDER DUMP

DUMP has the keys and values of log/, those of each family in order, one pair a line, in hexadecimal.
Python has no RocksDB in Debian; `rocksdb_ldb scan --hex` and `--column_family=nodes scan --hex` of
rocksdb-tools give such lists too, with `0x` and `==>`.

Checks everything that FORMAT.md says and prints the number of events, the root, and the events in
hexadecimal, one a line.
"""

import hashlib
import sys
from pathlib import Path

import lz4.block


def sha256(data):
    return hashlib.sha256(data).digest()


def root_of(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + root_of(leaves[:k]) + root_of(leaves[k:]))


def read_chunks(chunks):
    """The bytes that were compressed."""
    at, read = 0, b""
    while at < len(chunks):
        size, used = (int.from_bytes(chunks[at + i : at + i + 4], "little") for i in (0, 4))
        block = chunks[at + 8 : at + 8 + used]
        assert len(block) == used, "a chunk reaches beyond its batch"
        more = lz4.block.decompress(block, uncompressed_size=size)
        assert len(more) == size, "a chunk is not as long as it says"
        read += more
        at += 8 + used
    return read


def read_batch(value):
    """The root and the events of a batch."""
    count = int.from_bytes(value[:4], "little")
    root = value[4:36]
    if count >> 31:
        count &= 0x7FFFFFFF
        value = value[:36] + read_chunks(value[36:])
    at = 36
    events = []
    for _ in range(count):
        length = int.from_bytes(value[at : at + 4], "little")
        at += 4
        assert at + length <= len(value), "an event reaches beyond its batch"
        events.append(value[at : at + length])
        at += length
    assert count >= 1 and at == len(value), "the value does not end with its last event"
    return root, events


def read_anchor(path):
    """(next, root) of the newest valid slot."""
    data = path.read_bytes()
    slots = []
    for offset in (0, 4096):
        slot = data[offset : offset + 88]
        if slot[:16] == b"denier anchor 1\n" and slot[56:] == sha256(slot[:56]):
            slots.append((int.from_bytes(slot[16:24], "little"), slot[24:56]))
    assert slots, "no valid slot"
    return max(slots)


def main(folder, dump):
    assert (folder / "FORMAT").read_text() == "denier data folder, format 3\n"

    events, leaves, heads, nodes = [], [], {0: sha256(b"")}, {}
    for line in dump.read_text().splitlines():
        key, value = (bytes.fromhex(text) for text in line.split(" "))
        if key[:1] == b"b":
            assert len(key) == 9
            assert int.from_bytes(key[1:], "big") == len(events), "a gap between batches"
            root, more = read_batch(value)
            events += more
            leaves += [sha256(b"\x00" + event) for event in more]
            assert root == root_of(leaves), f"the root at position {len(events)}"
            heads[len(events)] = root
        else:
            assert key[:1] == b"n" and len(key) == 10
            nodes[key[1], int.from_bytes(key[2:], "big")] = value

    expected = {
        (level, index): root_of(leaves[index << level : (index + 1) << level])
        for level in range(8, 64)
        for index in range(len(leaves) >> level)
    }
    assert nodes == expected, "the stored nodes"

    anchored, root = read_anchor(folder / "anchor")
    assert heads.get(anchored) == root, "the log does not hold its anchor"

    print(len(events), heads[len(events)].hex())
    for event in events:
        print(event.hex())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
