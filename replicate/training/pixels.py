"""Decoded images: ahead of the model in threads, or kept on disk for training in many epochs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from db.errors import ImagesError, MedtlError
from replicate.images.image_set import ImageSet
from replicate.images.prepare import decoders, prepared
from replicate.progress import Report, silent
from replicate.spec import Preprocessing
from replicate.training.store import Entry, Kept, Table

_CHUNK_BYTES = 32 * 2**20

Indices = NDArray[np.int64]
Batch = NDArray[np.uint8]
Made = TypeVar("Made")


def decoder(images: ImageSet, preprocessing: Preprocessing) -> Callable[[Indices], Batch]:
    """Return what decodes a batch of images, to shape (n, size, size, 3).

    An image that cannot be read raises an ImagesError, which names it.
    """

    def decode(batch: Indices) -> Batch:
        size = preprocessing.size
        pixels = np.empty((len(batch), size, size, 3), dtype=np.uint8)
        for place, index in enumerate(batch.tolist()):
            try:
                pixels[place] = prepared(images.read(index), preprocessing)
            except (MedtlError, MemoryError):
                raise
            except (OSError, ValueError, TypeError) as error:
                raise ImagesError(
                    f"{images.name}: the image {images.ids[index]} cannot be read: {error}.",
                    "Mend it or take it out of the set.",
                ) from error
        return pixels

    return decode


def stream(
    images: ImageSet, batches: Sequence[Indices], preprocessing: Preprocessing, workers: int
) -> Generator[Batch, None, None]:
    """Yield decoded batches in order, each of shape (n, size, size, 3).

    Threads suffice: Pillow and NumPy let go of the interpreter while they decode and resize.
    """
    return ahead(decoder(images, preprocessing), batches, workers)


def ahead(
    work: Callable[[Indices], Made],
    batches: Sequence[Indices],
    workers: int,
    begin: Callable[[], None] | None = None,
) -> Generator[Made, None, None]:
    """Yield what is made of each batch, in order, by threads that run ahead a little.

    No more than `workers` + 2 batches are held at a time, however many there are. What a batch
    raises is raised in its turn: after all batches before it.

    Parameters
    ----------
    workers
        How many threads; 0 makes each batch when it is asked for.
    begin
        Called once in each thread before anything else.
    """
    if not workers:
        yield from map(work, batches)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode", initializer=begin)
    waiting: deque[Future[Made]] = deque()
    try:
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def decoded(
    images: ImageSet,
    preprocessing: Preprocessing,
    cache: Path,
    workers: int,
    report: Report = silent,
) -> Kept:
    """Return all images decoded and prepared.

    What trains on images for many epochs decodes each of them once, in this run and in the next.

    Returns
    -------
    Kept
        uint8, shape (n, size, size, 3).

    Raises
    ------
    ImagesError
        An image that cannot be read.
    ReplicationError
        No space for them.
    """
    size = preprocessing.size
    row = size * size * 3
    table = Table(len(images), (size, size, 3), "uint8", max(1, min(256, _CHUNK_BYTES // row)))
    recipe = {
        "kind": "decoded images",
        "decoders": decoders(),
        "content": images.content,
        **preprocessing.model_dump(mode="json", exclude={"normalise"}),
    }

    def produce(start: int) -> Generator[NDArray[np.uint8], None, None]:
        rest = np.arange(start, table.count, dtype=np.int64)
        chunks = np.split(rest, range(table.chunk, len(rest), table.chunk))
        return stream(images, chunks, preprocessing, workers)

    entry = Entry(cache / "pixels", recipe, table)
    return entry.obtain(produce, "decoded images", report)
