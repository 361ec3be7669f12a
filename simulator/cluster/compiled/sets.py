"""Sets of small numbers with their least member: three levels of bits, so that every operation takes three words.

A set of up to 64^3 numbers lies in ``words_of(size)`` int64 words: one word that says which words of the second level
are not 0, the second level, and the third, whose bits are the members.
"""

from __future__ import annotations

from simulator.cluster.compiled.jit import hot, lowest_bit

SMALL = 3
"""Words of a set of up to 64 numbers: only the last of them is used."""
MOST = 64**3
"""Numbers that a set can hold: 0 to MOST - 1."""


def words_of(size: int) -> int:
    """Words of a set of the numbers below ``size``."""
    return 1 + -(-size // 4096) + -(-size // 64)


@hot
def add(words, base, size, number):
    """Put ``number`` into the set of ``size`` words at ``base``."""
    if size == SMALL:
        words[base + 2] |= 1 << number
        return
    middle = base + 1
    low = middle + middle_words(size)
    words[low + (number >> 6)] |= 1 << (number & 63)
    words[middle + (number >> 12)] |= 1 << ((number >> 6) & 63)
    words[base] |= 1 << (number >> 12)


@hot
def discard(words, base, size, number):
    """Take ``number`` out of the set."""
    if size == SMALL:
        words[base + 2] &= ~(1 << number)
        return
    middle = base + 1
    low = middle + middle_words(size)
    words[low + (number >> 6)] &= ~(1 << (number & 63))
    if words[low + (number >> 6)] == 0:
        words[middle + (number >> 12)] &= ~(1 << ((number >> 6) & 63))
        if words[middle + (number >> 12)] == 0:
            words[base] &= ~(1 << (number >> 12))


@hot
def contains(words, base, size, number):
    """Whether ``number`` is in the set."""
    low = base + 1 + middle_words(size)
    return (words[low + (number >> 6)] >> (number & 63)) & 1 == 1


@hot
def least(words, base, size, start):
    """Least member not below ``start``; -1 without."""
    if size == SMALL:
        if start > 63:
            return -1
        word = words[base + 2] & (-1 << start)
        return -1 if word == 0 else lowest_bit(word)
    middle = base + 1
    low = middle + middle_words(size)
    if (start >> 6) >= size - 1 - middle_words(size):
        return -1
    word = words[low + (start >> 6)] & (-1 << (start & 63))
    if word != 0:
        return ((start >> 6) << 6) + lowest_bit(word)
    place = (start >> 6) + 1  # a word of the third level
    if (place >> 6) < middle_words(size):
        word = words[middle + (place >> 6)] & (-1 << (place & 63))
        if word != 0:
            place = ((place >> 6) << 6) + lowest_bit(word)
            return (place << 6) + lowest_bit(words[low + place])
    place = (place >> 6) + 1  # a word of the second level
    if place > 63:
        return -1
    word = words[base] & (-1 << place)
    if word == 0:
        return -1
    place = lowest_bit(word)
    place = (place << 6) + lowest_bit(words[middle + place])
    return (place << 6) + lowest_bit(words[low + place])


@hot
def middle_words(size):
    """Words of the second level of a set that takes ``size`` words (one for each 64 of the third)."""
    return (size - 1 + 64) // 65
