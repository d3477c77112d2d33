"""General functions about lists and dicts. One letter is any type, n a number, o what has an order, h what can be a key."""

from __future__ import annotations

import collections
import functools
import itertools
import math


def unique_in_order(items: list[h]) -> list[h]:
    """Each item once, duplicates removed, in the order of first occurrence.
    >>> unique_in_order([3, 1, 3, 2, 1])
    [3, 1, 2]
    """
    return list(dict.fromkeys(items))


def unique_sorted(items: list[o]) -> list[o]:
    """Each item once, sorted.
    >>> unique_sorted([3, 1, 3])
    [1, 3]
    """
    return sorted(set(items))


def duplicates(items: list[h]) -> list[h]:
    """Items that come more than once, each once, in order.
    >>> duplicates([1, 2, 1, 3, 2])
    [1, 2]
    """
    counts = collections.Counter(items)
    return [item for item in counts if counts[item] > 1]


def has_duplicates(items: list[h]) -> bool:
    """Whether an item comes more than once.
    >>> has_duplicates([1, 2, 1])
    True
    """
    return len(set(items)) < len(items)


def only_once(items: list[h]) -> list[h]:
    """Items that come exactly once.
    >>> only_once([1, 2, 1, 3])
    [2, 3]
    """
    counts = collections.Counter(items)
    return [item for item in items if counts[item] == 1]


def item_counts(items: list[h]) -> dict[h, int]:
    """How often each item comes: frequency.
    >>> item_counts(['a', 'b', 'a'])
    {'a': 2, 'b': 1}
    """
    return dict(collections.Counter(items))


def most_common(items: list[h]) -> h:
    """The item that comes most often, the first of them: mode.
    >>> most_common([1, 2, 2])
    2
    """
    return collections.Counter(items).most_common(1)[0][0]


def most_common_items(items: list[h], count: int) -> list[h]:
    """The so many items that come most often.
    >>> most_common_items([1, 2, 2, 3, 3, 3], 2)
    [3, 2]
    """
    return [item for item, _ in collections.Counter(items).most_common(count)]


def flatten(rows: list[list[a]]) -> list[a]:
    """One list of all items of all rows: flattened.
    >>> flatten([[1], [2, 3]])
    [1, 2, 3]
    """
    return [item for row in rows for item in row]


def chunks(items: list[a], size: int) -> list[list[a]]:
    """Split into chunks of a size; the last may be shorter.
    >>> chunks([1, 2, 3, 4, 5], 2)
    [[1, 2], [3, 4], [5]]
    """
    return [items[at:at + size] for at in range(0, len(items), size)]


def split_evenly(items: list[a], parts: int) -> list[list[a]]:
    """Split into so many parts of nearly the same size, the longer ones first.
    >>> split_evenly([1, 2, 3, 4, 5], 2)
    [[1, 2, 3], [4, 5]]
    """
    size, more = divmod(len(items), parts)
    ends = [part * size + min(part, more) for part in range(parts + 1)]
    return [items[start:end] for start, end in zip(ends, ends[1:])]


def windows(items: list[a], size: int) -> list[list[a]]:
    """All windows of so many consecutive items.
    >>> windows([1, 2, 3], 2)
    [[1, 2], [2, 3]]
    """
    return [items[at:at + size] for at in range(len(items) - size + 1)]


def pairwise(items: list[a]) -> list[tuple[a, a]]:
    """Neighbouring items as pairs.
    >>> pairwise([1, 2, 3])
    [(1, 2), (2, 3)]
    """
    return list(zip(items, items[1:]))


def all_pairs(items: list[a]) -> list[tuple[a, a]]:
    """All pairs of two items, each pair once: combinations.
    >>> all_pairs([1, 2, 3])
    [(1, 2), (1, 3), (2, 3)]
    """
    return list(itertools.combinations(items, 2))


def subsets(items: list[a]) -> list[list[a]]:
    """All subsets, from the smallest on: power set.
    >>> subsets([1, 2])
    [[], [1], [2], [1, 2]]
    """
    return [list(chosen) for size in range(len(items) + 1) for chosen in itertools.combinations(items, size)]


def permutations(items: list[a]) -> list[list[a]]:
    """All orders of the items: permutations.
    >>> permutations([1, 2])
    [[1, 2], [2, 1]]
    """
    return [list(order) for order in itertools.permutations(items)]


def cartesian_product(xs: list[a], ys: list[b]) -> list[tuple[a, b]]:
    """Every item of one list with every item of the other.
    >>> cartesian_product([1, 2], ['a'])
    [(1, 'a'), (2, 'a')]
    """
    return list(itertools.product(xs, ys))


def rotate_left(items: list[a], places: int) -> list[a]:
    """Rotate to the left by so many places.
    >>> rotate_left([1, 2, 3, 4], 1)
    [2, 3, 4, 1]
    """
    if not items:
        return []
    places %= len(items)
    return items[places:] + items[:places]


def rotate_right(items: list[a], places: int) -> list[a]:
    """Rotate to the right by so many places.
    >>> rotate_right([1, 2, 3, 4], 1)
    [4, 1, 2, 3]
    """
    if not items:
        return []
    places = -places % len(items)
    return items[places:] + items[:places]


def interleave(xs: list[a], ys: list[a]) -> list[a]:
    """Items of two lists in turn; what is left of the longer one comes last.
    >>> interleave([1, 2, 3], [9])
    [1, 9, 2, 3]
    """
    shared = min(len(xs), len(ys))
    mixed = [item for pair in zip(xs, ys) for item in pair]
    return mixed + xs[shared:] + ys[shared:]


def intersperse(items: list[a], between: a) -> list[a]:
    """Put an item between each two neighbours.
    >>> intersperse([1, 2, 3], 0)
    [1, 0, 2, 0, 3]
    """
    return [x for item in items for x in (between, item)][1:]


def transpose(rows: list[list[a]]) -> list[list[a]]:
    """Rows become columns: transposed matrix.
    >>> transpose([[1, 2], [3, 4]])
    [[1, 3], [2, 4]]
    """
    return [list(column) for column in zip(*rows)]


def matrix_product(a: list[list[n]], b: list[list[n]]) -> list[list[n]]:
    """Product of two matrices.
    >>> matrix_product([[1, 2]], [[3], [4]])
    [[11]]
    """
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]


def main_diagonal(rows: list[list[a]]) -> list[a]:
    """Main diagonal of a square matrix.
    >>> main_diagonal([[1, 2], [3, 4]])
    [1, 4]
    """
    return [row[at] for at, row in enumerate(rows)]


def identity_matrix(size: int) -> list[list[int]]:
    """Matrix with ones on its diagonal and zeros elsewhere.
    >>> identity_matrix(2)
    [[1, 0], [0, 1]]
    """
    return [[int(row == column) for column in range(size)] for row in range(size)]


def row_sums(rows: list[list[n]]) -> list[n]:
    """Sum of each row.
    >>> row_sums([[1, 2], [3]])
    [3, 3]
    """
    return [sum(row) for row in rows]


def column_sums(rows: list[list[n]]) -> list[n]:
    """Sum of each column.
    >>> column_sums([[1, 2], [3, 4]])
    [4, 6]
    """
    return [sum(column) for column in zip(*rows)]


def spiral(rows: list[list[a]]) -> list[a]:
    """Items of a matrix in a spiral from the outside to the inside, clockwise.
    >>> spiral([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    [1, 2, 3, 6, 9, 8, 7, 4, 5]
    """
    rows, found = [list(row) for row in rows], []
    while rows:
        found += rows.pop(0)
        rows = [list(column) for column in zip(*rows)][::-1]
    return found


def rotate_matrix(rows: list[list[a]]) -> list[list[a]]:
    """Matrix turned clockwise by a quarter.
    >>> rotate_matrix([[1, 2], [3, 4]])
    [[3, 1], [4, 2]]
    """
    return [list(column) for column in zip(*rows[::-1])]


def running_totals(numbers: list[n]) -> list[n]:
    """Sum of each number with all before it: cumulative or running sum.
    >>> running_totals([1, 2, 3])
    [1, 3, 6]
    """
    return list(itertools.accumulate(numbers))


def running_maxima(items: list[o]) -> list[o]:
    """Largest item so far at each place: running maximum.
    >>> running_maxima([1, 3, 2])
    [1, 3, 3]
    """
    return list(itertools.accumulate(items, max))


def moving_average(numbers: list[n], size: int) -> list[float]:
    """Average of each window of so many numbers.
    >>> moving_average([1, 2, 3, 4], 2)
    [1.5, 2.5, 3.5]
    """
    return [sum(numbers[at:at + size]) / size for at in range(len(numbers) - size + 1)]


def differences(numbers: list[n]) -> list[n]:
    """Each number less the one before it.
    >>> differences([1, 4, 9])
    [3, 5]
    """
    return [b - a for a, b in zip(numbers, numbers[1:])]


def mean(numbers: list[n]) -> float:
    """Arithmetic mean, the average.
    >>> mean([1, 2, 6])
    3.0
    """
    return sum(numbers) / len(numbers)


def median(numbers: list[n]) -> n:
    """Median: the middle number, or the mean of the middle two.
    >>> median([5, 1, 3, 2])
    2.5
    """
    numbers, half = sorted(numbers), len(numbers) // 2
    return numbers[half] if len(numbers) % 2 else (numbers[half - 1] + numbers[half]) / 2


def variance(numbers: list[n]) -> float:
    """Variance of a whole population.
    >>> variance([1, 3])
    1.0
    """
    middle = sum(numbers) / len(numbers)
    return sum((x - middle) ** 2 for x in numbers) / len(numbers)


def standard_deviation(numbers: list[n]) -> float:
    """Standard deviation of a whole population.
    >>> standard_deviation([1, 3])
    1.0
    """
    middle = sum(numbers) / len(numbers)
    return math.sqrt(sum((x - middle) ** 2 for x in numbers) / len(numbers))


def weighted_mean(numbers: list[n], weights: list[n]) -> float:
    """Mean with a weight for each number.
    >>> weighted_mean([1, 3], [3, 1])
    1.5
    """
    return sum(x * w for x, w in zip(numbers, weights)) / sum(weights)


def spread(numbers: list[n]) -> n:
    """Difference of the largest and the smallest number: range.
    >>> spread([4, 9, 2])
    7
    """
    return max(numbers) - min(numbers)


def rescale(numbers: list[n]) -> list[float]:
    """Numbers brought linearly to the range from zero to one: normalised.
    >>> rescale([1, 2, 3])
    [0.0, 0.5, 1.0]
    """
    low, high = min(numbers), max(numbers)
    return [(x - low) / (high - low) for x in numbers]


def dot_product(xs: list[n], ys: list[n]) -> n:
    """Sum of the products of the numbers at the same places.
    >>> dot_product([1, 2], [3, 4])
    11
    """
    return sum(x * y for x, y in zip(xs, ys))


def product_of_all(numbers: list[n]) -> n:
    """Product of all numbers.
    >>> product_of_all([2, 3, 4])
    24
    """
    return math.prod(numbers)


def second_largest(items: list[o]) -> o:
    """Second largest of the distinct items.
    >>> second_largest([1, 3, 3, 2])
    2
    """
    return sorted(set(items))[-2]


def kth_smallest(items: list[o], k: int) -> o:
    """The k-th smallest item, counted from one.
    >>> kth_smallest([5, 1, 4], 2)
    4
    """
    return sorted(items)[k - 1]


def largest_items(items: list[o], count: int) -> list[o]:
    """The so many largest items, the largest first.
    >>> largest_items([1, 5, 3], 2)
    [5, 3]
    """
    return sorted(items, reverse=True)[:count]


def smallest_items(items: list[o], count: int) -> list[o]:
    """The so many smallest items, the smallest first.
    >>> smallest_items([4, 5, 3], 2)
    [3, 4]
    """
    return sorted(items)[:count]


def index_of_largest(items: list[o]) -> int:
    """Place of the largest item.
    >>> index_of_largest([1, 5, 3])
    1
    """
    return max(range(len(items)), key=items.__getitem__)


def index_of_smallest(items: list[o]) -> int:
    """Place of the smallest item.
    >>> index_of_smallest([4, 1, 3])
    1
    """
    return min(range(len(items)), key=items.__getitem__)


def positions_of(items: list[a], wanted: a) -> list[int]:
    """All places at which an item stands: indices.
    >>> positions_of([1, 2, 1], 1)
    [0, 2]
    """
    return [at for at, item in enumerate(items) if item == wanted]


def binary_search(items: list[o], wanted: o) -> int:
    """Place of an item in a sorted list, -1 when it is not there.
    >>> binary_search([1, 3, 5], 3)
    1
    """
    low, high = 0, len(items)
    while low < high:
        middle = (low + high) // 2
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < len(items) and items[low] == wanted else -1


def merge_sorted(xs: list[o], ys: list[o]) -> list[o]:
    """Two sorted lists merged into one.
    >>> merge_sorted([1, 4], [2, 3])
    [1, 2, 3, 4]
    """
    return sorted(xs + ys)


def is_sorted(items: list[o]) -> bool:
    """Whether items are in ascending order.
    >>> is_sorted([1, 2, 2])
    True
    """
    return all(a <= b for a, b in zip(items, items[1:]))


def is_strictly_increasing(items: list[o]) -> bool:
    """Whether each item is greater than the one before.
    >>> is_strictly_increasing([1, 2, 2])
    False
    """
    return all(a < b for a, b in zip(items, items[1:]))


def intersection(xs: list[h], ys: list[h]) -> list[h]:
    """Items in both lists, each once, in the order of the first: common elements.
    >>> intersection([3, 1, 2], [2, 3])
    [3, 2]
    """
    known = set(ys)
    return [item for item in dict.fromkeys(xs) if item in known]


def union(xs: list[h], ys: list[h]) -> list[h]:
    """Items in one of the lists, each once, in order.
    >>> union([1, 2], [2, 3])
    [1, 2, 3]
    """
    return list(dict.fromkeys(xs + ys))


def without(xs: list[h], ys: list[h]) -> list[h]:
    """Items of the first list that are not in the second: difference.
    >>> without([1, 2, 3], [2])
    [1, 3]
    """
    gone = set(ys)
    return [item for item in xs if item not in gone]


def in_one_only(xs: list[o], ys: list[o]) -> list[o]:
    """Items in exactly one of two lists, sorted: symmetric difference.
    >>> in_one_only([1, 2], [2, 3])
    [1, 3]
    """
    return sorted(set(xs) ^ set(ys))


def partition_by_sign(numbers: list[n]) -> tuple[list[n], list[n]]:
    """Negative numbers and all others, apart.
    >>> partition_by_sign([1, -2, 0])
    ([-2], [1, 0])
    """
    return [x for x in numbers if x < 0], [x for x in numbers if x >= 0]


def evens_and_odds(numbers: list[int]) -> tuple[list[int], list[int]]:
    """Even and odd numbers, apart.
    >>> evens_and_odds([1, 2, 3])
    ([2], [1, 3])
    """
    return [x for x in numbers if x % 2 == 0], [x for x in numbers if x % 2]


def group_by_length(words: list[str]) -> dict[int, list[str]]:
    """Words by their length.
    >>> group_by_length(['a', 'bc', 'd'])
    {1: ['a', 'd'], 2: ['bc']}
    """
    groups = {}
    for word in words:
        groups.setdefault(len(word), []).append(word)
    return groups


def group_by_first_letter(words: list[str]) -> dict[str, list[str]]:
    """Words by their first letter.
    >>> group_by_first_letter(['ab', 'cd', 'ae'])
    {'a': ['ab', 'ae'], 'c': ['cd']}
    """
    groups = {}
    for word in words:
        groups.setdefault(word[:1], []).append(word)
    return groups


def group_pairs(pairs: list[tuple[h, a]]) -> dict[h, list[a]]:
    """Second parts of pairs by their first part.
    >>> group_pairs([('x', 1), ('y', 2), ('x', 3)])
    {'x': [1, 3], 'y': [2]}
    """
    groups = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def sum_by_key(pairs: list[tuple[h, n]]) -> dict[h, n]:
    """Sum of the numbers of each key.
    >>> sum_by_key([('x', 1), ('y', 2), ('x', 3)])
    {'x': 4, 'y': 2}
    """
    totals = {}
    for key, value in pairs:
        totals[key] = totals.get(key, 0) + value
    return totals


def invert_dict(d: dict[h, k]) -> dict[k, h]:
    """Values become keys and keys become values.
    >>> invert_dict({'a': 1})
    {1: 'a'}
    """
    return {value: key for key, value in d.items()}


def merge_dicts(a: dict[h, v], b: dict[h, v]) -> dict[h, v]:
    """Two dicts in one; the second wins.
    >>> merge_dicts({'x': 1, 'y': 2}, {'y': 3})
    {'x': 1, 'y': 3}
    """
    return {**a, **b}


def add_dicts(a: dict[h, n], b: dict[h, n]) -> dict[h, n]:
    """Two dicts in one, values of the same key added.
    >>> add_dicts({'x': 1}, {'x': 2, 'y': 3})
    {'x': 3, 'y': 3}
    """
    return {key: a.get(key, 0) + b.get(key, 0) for key in {**a, **b}}


def sort_dict_by_value(d: dict[h, o]) -> list[tuple[h, o]]:
    """Entries by their values, the smallest first.
    >>> sort_dict_by_value({'a': 2, 'b': 1})
    [('b', 1), ('a', 2)]
    """
    return sorted(d.items(), key=lambda entry: entry[1])


def key_of_largest(d: dict[h, o]) -> h:
    """Key with the largest value.
    >>> key_of_largest({'a': 2, 'b': 5})
    'b'
    """
    return max(d, key=d.get)


def pick_keys(d: dict[h, v], keys: list[h]) -> dict[h, v]:
    """Only the entries with these keys.
    >>> pick_keys({'a': 1, 'b': 2}, ['b', 'c'])
    {'b': 2}
    """
    return {key: d[key] for key in keys if key in d}


def dict_from_lists(keys: list[h], values: list[v]) -> dict[h, v]:
    """Each key with the value at its place.
    >>> dict_from_lists(['a', 'b'], [1, 2])
    {'a': 1, 'b': 2}
    """
    return dict(zip(keys, values))


def largest_subarray_sum(numbers: list[n]) -> n:
    """Largest sum of consecutive numbers, at least one: maximum subarray.
    >>> largest_subarray_sum([1, -3, 4, 5, -2])
    9
    """
    best = here = numbers[0]
    for number in numbers[1:]:
        here = max(number, here + number)
        best = max(best, here)
    return best


def longest_increasing_subsequence(items: list[o]) -> int:
    """Length of the longest strictly increasing subsequence.
    >>> longest_increasing_subsequence([3, 1, 4, 1, 5, 9, 2])
    4
    """
    best = []
    for at, item in enumerate(items):
        best.append(1 + max((best[k] for k in range(at) if items[k] < item), default=0))
    return max(best, default=0)


def pairs_with_sum(numbers: list[n], total: n) -> list[tuple[n, n]]:
    """All pairs of numbers that add up to a total, in order.
    >>> pairs_with_sum([1, 2, 3, 4], 5)
    [(1, 4), (2, 3)]
    """
    return [(a, b) for a, b in itertools.combinations(numbers, 2) if a + b == total]


def has_pair_with_sum(numbers: list[n], total: n) -> bool:
    """Whether two numbers at different places add up to a total.
    >>> has_pair_with_sum([1, 2, 3], 4)
    True
    """
    return any(a + b == total for a, b in itertools.combinations(numbers, 2))


def runs_of_equal(items: list[a]) -> list[list[a]]:
    """Equal items in a row taken together.
    >>> runs_of_equal([1, 1, 2, 1])
    [[1, 1], [2], [1]]
    """
    return [list(group) for _, group in itertools.groupby(items)]


def longest_run(items: list[a]) -> int:
    """Length of the longest run of equal consecutive items.
    >>> longest_run([1, 2, 2, 2, 3])
    3
    """
    return max((len(list(group)) for _, group in itertools.groupby(items)), default=0)


def zeros_last(numbers: list[n]) -> list[n]:
    """Zeros moved to the end, the others in their order.
    >>> zeros_last([0, 1, 0, 2])
    [1, 2, 0, 0]
    """
    return sorted(numbers, key=lambda x: x == 0)


def majority(items: list[h]) -> h:
    """The item that makes up more than half of all, None when there is none.
    >>> majority([1, 2, 1])
    1
    """
    item, count = collections.Counter(items).most_common(1)[0]
    return item if 2 * count > len(items) else None


def ranks(items: list[o]) -> list[int]:
    """Rank of each item, one for the largest; equal items share the better rank.
    >>> ranks([10, 30, 20, 30])
    [4, 1, 3, 1]
    """
    order = sorted(items, reverse=True)
    return [order.index(item) + 1 for item in items]


def sort_by_length(words: list[str]) -> list[str]:
    """Words by their length, then by the alphabet.
    >>> sort_by_length(['ccc', 'b', 'a'])
    ['a', 'b', 'ccc']
    """
    return sorted(words, key=lambda word: (len(word), word))


def countdown(n: int) -> list[int]:
    """Numbers from n down to zero.
    >>> countdown(3)
    [3, 2, 1, 0]
    """
    return list(range(n, -1, -1))


def evenly_spaced(low: float, high: float, count: int) -> list[float]:
    """So many numbers from low to high at the same distance.
    >>> evenly_spaced(0.0, 1.0, 3)
    [0.0, 0.5, 1.0]
    """
    return [low + (high - low) * at / (count - 1) for at in range(count)]
