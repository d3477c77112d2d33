"""General functions about texts."""

from __future__ import annotations

import collections
import re
import unicodedata


def reverse_text(text: str) -> str:
    """The text backwards, reversed.
    >>> reverse_text('abc')
    'cba'
    """
    return text[::-1]


def reverse_word_order(text: str) -> str:
    """The words in reversed order.
    >>> reverse_word_order('one two  three')
    'three two one'
    """
    return ' '.join(reversed(text.split()))


def reverse_each_word(text: str) -> str:
    """Each word backwards, in its place.
    >>> reverse_each_word('abc de')
    'cba ed'
    """
    return ' '.join(word[::-1] for word in text.split(' '))


def capitalise_words(text: str) -> str:
    """Each word with a capital first letter, the rest lower case: title case.
    >>> capitalise_words('hello WORLD')
    'Hello World'
    """
    return ' '.join(word.capitalize() for word in text.split(' '))


def capitalise_sentences(text: str) -> str:
    """The first letter of each sentence in upper case.
    >>> capitalise_sentences('one. two! three')
    'One. Two! Three'
    """
    return re.sub(r'(^|[.!?]\s+)(\w)', lambda found: found.group(1) + found.group(2).upper(), text)


def snake_case(name: str) -> str:
    """A camel case name in snake case, lower case with underscores.
    >>> snake_case('HTTPServerName')
    'http_server_name'
    """
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    return re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name).replace('-', '_').lower()


def camel_case(name: str) -> str:
    """A snake case name in camel case.
    >>> camel_case('first_last_name')
    'firstLastName'
    """
    first, *rest = name.split('_')
    return first + ''.join(word.capitalize() for word in rest)


def pascal_case(name: str) -> str:
    """A snake case name in Pascal case.
    >>> pascal_case('first_last')
    'FirstLast'
    """
    return ''.join(word.capitalize() for word in name.split('_'))


def kebab_case(text: str) -> str:
    """Words joined by hyphens in lower case.
    >>> kebab_case('Hello big World')
    'hello-big-world'
    """
    return '-'.join(text.lower().split())


def slug(text: str) -> str:
    """A text as part of a URL: lower case letters and digits, joined by hyphens.
    >>> slug('Hello, World! 2nd')
    'hello-world-2nd'
    """
    return re.sub(r'[^a-z0-9]+', '-', text.lower()).strip('-')


def initials(name: str) -> str:
    """First letters of the words in upper case.
    >>> initials('ada king lovelace')
    'AKL'
    """
    return ''.join(word[0].upper() for word in name.split())


def acronym(text: str) -> str:
    """Acronym of a phrase, hyphens separating words too.
    >>> acronym('first-in first out')
    'FIFO'
    """
    return ''.join(word[0].upper() for word in re.findall(r"[A-Za-z']+", text))


def swap_case(text: str) -> str:
    """Upper case to lower case and the other way.
    >>> swap_case('aB')
    'Ab'
    """
    return text.swapcase()


def is_palindrome_text(text: str) -> bool:
    """Whether a text reads the same backwards, case and everything but letters and digits apart.
    >>> is_palindrome_text('A man, a plan, a canal: Panama')
    True
    """
    letters = [c.lower() for c in text if c.isalnum()]
    return letters == letters[::-1]


def is_palindrome_exactly(text: str) -> bool:
    """Whether a text is the same backwards, a palindrome.
    >>> is_palindrome_exactly('abba')
    True
    """
    return text == text[::-1]


def are_anagrams(a: str, b: str) -> bool:
    """Whether two texts are anagrams: the same letters, case and spaces apart.
    >>> are_anagrams('Listen', 'silent')
    True
    """
    letters = [sorted(text.lower().replace(' ', '')) for text in (a, b)]
    return letters[0] == letters[1]


def is_pangram(text: str) -> bool:
    """Whether every letter of the alphabet comes up.
    >>> is_pangram('The quick brown fox jumps over the lazy dog')
    True
    """
    return set('abcdefghijklmnopqrstuvwxyz') <= set(text.lower())


def has_unique_characters(text: str) -> bool:
    """Whether no character comes up twice: all are distinct.
    >>> has_unique_characters('abca')
    False
    """
    return len(set(text)) == len(text)


def count_vowels(text: str) -> int:
    """How many vowels a text has.
    >>> count_vowels('Education')
    5
    """
    return sum(c in 'aeiouAEIOU' for c in text)


def count_consonants(text: str) -> int:
    """How many consonants a text has.
    >>> count_consonants('Hello')
    3
    """
    return sum(c.isalpha() and c not in 'aeiouAEIOU' for c in text)


def count_words(text: str) -> int:
    """How many words a text has.
    >>> count_words(' one two ')
    2
    """
    return len(text.split())


def count_upper(text: str) -> int:
    """How many upper case letters a text has.
    >>> count_upper('aBC')
    2
    """
    return sum(c.isupper() for c in text)


def count_digits(text: str) -> int:
    """How many digits a text has.
    >>> count_digits('a1b22')
    3
    """
    return sum(c.isdigit() for c in text)


def count_overlapping(text: str, part: str) -> int:
    """How often a part occurs in a text, overlapping occurrences too.
    >>> count_overlapping('aaaa', 'aa')
    3
    """
    return sum(text.startswith(part, at) for at in range(len(text) - len(part) + 1))


def character_counts(text: str) -> dict[str, int]:
    """How often each character comes up: frequency.
    >>> character_counts('aba')
    {'a': 2, 'b': 1}
    """
    return dict(collections.Counter(text))


def word_counts(text: str) -> dict[str, int]:
    """How often each word comes up, in lower case: frequency.
    >>> word_counts('Go go now')
    {'go': 2, 'now': 1}
    """
    return dict(collections.Counter(text.lower().split()))


def most_common_character(text: str) -> str:
    """The character that comes up most often, the first of them.
    >>> most_common_character('abcb')
    'b'
    """
    return max(text, key=text.count)


def first_unique_character(text: str) -> str:
    """The first character that comes up once, empty when there is none.
    >>> first_unique_character('aabcb')
    'c'
    """
    return next((c for c in text if text.count(c) == 1), '')


def longest_word(text: str) -> str:
    """The longest word, the first of them.
    >>> longest_word('a bird in hand')
    'bird'
    """
    return max(text.split(), key=len, default='')


def shortest_word(text: str) -> str:
    """The shortest word, the first of them.
    >>> shortest_word('bird in a hand')
    'a'
    """
    return min(text.split(), key=len, default='')


def word_lengths(text: str) -> list[int]:
    """Length of each word.
    >>> word_lengths('one three')
    [3, 5]
    """
    return [len(word) for word in text.split()]


def remove_vowels(text: str) -> str:
    """The text without vowels.
    >>> remove_vowels('Banana')
    'Bnn'
    """
    return ''.join(c for c in text if c not in 'aeiouAEIOU')


def remove_punctuation(text: str) -> str:
    """The text without punctuation.
    >>> remove_punctuation("it's, ok!")
    'its ok'
    """
    return re.sub(r'[^\w\s]', '', text)


def remove_duplicate_characters(text: str) -> str:
    """Each character once, where it came first.
    >>> remove_duplicate_characters('banana')
    'ban'
    """
    return ''.join(dict.fromkeys(text))


def squeeze_repeats(text: str) -> str:
    """Repeated characters in a row become one.
    >>> squeeze_repeats('aabbba')
    'aba'
    """
    return re.sub(r'(.)\1+', r'\1', text, flags=re.DOTALL)


def squeeze_spaces(text: str) -> str:
    """Whitespace at the ends removed, inside squeezed to one space.
    >>> squeeze_spaces('  a   b ')
    'a b'
    """
    return ' '.join(text.split())


def without_accents(text: str) -> str:
    """Letters without their accents.
    >>> without_accents('café')
    'cafe'
    """
    return ''.join(c for c in unicodedata.normalize('NFD', text) if not unicodedata.combining(c))


def truncate_text(text: str, width: int) -> str:
    """Cut to a width, three dots at the end where something is missing.
    >>> truncate_text('hello world', 8)
    'hello...'
    """
    return text if len(text) <= width else text[:max(width - 3, 0)] + '...'


def pad_left(text: str, width: int, fill: str) -> str:
    """Pad on the left side to a width.
    >>> pad_left('7', 3, '0')
    '007'
    """
    return text.rjust(width, fill)


def centre_text(text: str, width: int) -> str:
    """Centre in a width with spaces.
    >>> centre_text('ab', 6)
    '  ab  '
    """
    return text.center(width)


def wrap_words(text: str, width: int) -> list[str]:
    """Lines of at most a width, broken between words.
    >>> wrap_words('one two three', 7)
    ['one two', 'three']
    """
    lines = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += ' ' + word
        else:
            lines.append(word)
    return lines


def caesar_shift(text: str, places: int) -> str:
    """Caesar cipher: each letter shifted so many places in the alphabet.
    >>> caesar_shift('Xyz!', 3)
    'Abc!'
    """
    out = ''
    for c in text:
        if c.isascii() and c.isalpha():
            start = ord('a') if c.islower() else ord('A')
            c = chr((ord(c) - start + places) % 26 + start)
        out += c
    return out


def atbash(text: str) -> str:
    """Mirror the alphabet: a becomes z, b becomes y.
    >>> atbash('abz')
    'zya'
    """
    mirror = str.maketrans('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ',
                           'zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA')
    return text.translate(mirror)


def run_lengths(text: str) -> str:
    """Run-length encoding: the character and how often it comes in a row.
    >>> run_lengths('aaabc')
    'a3b1c1'
    """
    return ''.join(found.group(1) + str(len(found.group(0))) for found in re.finditer(r'(.)\1*', text, re.DOTALL))


def expand_runs(text: str) -> str:
    """Decode a run-length encoding such as a3b1.
    >>> expand_runs('a3b1')
    'aaab'
    """
    return ''.join(c * int(count) for c, count in re.findall(r'(\D)(\d+)', text))


def common_prefix(texts: list[str]) -> str:
    """Longest common prefix of all texts.
    >>> common_prefix(['flower', 'flow', 'flight'])
    'fl'
    """
    prefix = min(texts, key=len, default='')
    while not all(text.startswith(prefix) for text in texts):
        prefix = prefix[:-1]
    return prefix


def longest_common_substring(a: str, b: str) -> str:
    """Longest text that is part of both.
    >>> longest_common_substring('abcdef', 'zcdez')
    'cde'
    """
    best = ''
    for start in range(len(a)):
        while a[start:start + len(best) + 1] in b and start + len(best) < len(a):
            best = a[start:start + len(best) + 1]
    return best


def edit_distance(a: str, b: str) -> int:
    """Levenshtein distance: insertions, deletions and substitutions from one text to the other.
    >>> edit_distance('kitten', 'sitting')
    3
    """
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def hamming_distance(a: str, b: str) -> int:
    """Positions at which two texts differ.
    >>> hamming_distance('karolin', 'kathrin')
    3
    """
    return sum(x != y for x, y in zip(a, b))


def is_subsequence(part: str, text: str) -> bool:
    """Whether the characters of a part come up in the text in their order.
    >>> is_subsequence('ace', 'abcde')
    True
    """
    rest = iter(text)
    return all(c in rest for c in part)


def is_rotation(a: str, b: str) -> bool:
    """Whether a text is a rotation of the other one.
    >>> is_rotation('abcd', 'cdab')
    True
    """
    return len(a) == len(b) and b in a + a


def brackets_balance(text: str) -> bool:
    """Whether all brackets, round, square and curly, close in the right order: balanced parentheses.
    >>> brackets_balance('{[()]}')
    True
    >>> brackets_balance('([)]')
    False
    """
    pairs, open_ = {')': '(', ']': '[', '}': '{'}, []
    for c in text:
        if c in '([{':
            open_.append(c)
        elif c in pairs and (not open_ or open_.pop() != pairs[c]):
            return False
    return not open_


def nesting_depth(text: str) -> int:
    """Deepest nesting of round parentheses.
    >>> nesting_depth('(a(b)(c(d)))')
    3
    """
    depth = deepest = 0
    for c in text:
        depth += (c == '(') - (c == ')')
        deepest = max(deepest, depth)
    return deepest


def mask_all_but_last(text: str, shown: int) -> str:
    """Stars for all but the last so many characters.
    >>> mask_all_but_last('123456', 2)
    '****56'
    """
    hidden = max(len(text) - shown, 0)
    return '*' * hidden + text[hidden:]


def replace_all(text: str, changes: dict[str, str]) -> str:
    """Replace each key by its value, one after the other.
    >>> replace_all('a-b', {'a': 'x', '-': '+'})
    'x+b'
    """
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def fill_template(text: str, values: dict[str, str]) -> str:
    """Fill names in curly brackets with their values; unknown ones stay.
    >>> fill_template('Hi {name}, {x}', {'name': 'Ann'})
    'Hi Ann, {x}'
    """
    return re.sub(r'\{(\w+)\}', lambda found: str(values.get(found.group(1), found.group(0))), text)


def substrings(text: str) -> list[str]:
    """All substrings that are not empty, by start and length.
    >>> substrings('abc')
    ['a', 'ab', 'abc', 'b', 'bc', 'c']
    """
    return [text[start:end] for start in range(len(text)) for end in range(start + 1, len(text) + 1)]


def prefixes(text: str) -> list[str]:
    """All prefixes from the shortest to the longest.
    >>> prefixes('abc')
    ['a', 'ab', 'abc']
    """
    return [text[:end] for end in range(1, len(text) + 1)]


def longest_palindrome(text: str) -> str:
    """Longest palindrome inside a text, the first of them.
    >>> longest_palindrome('xabbay')
    'abba'
    """
    best = ''
    for centre in range(len(text)):
        for left, right in ((centre, centre), (centre, centre + 1)):
            while left >= 0 and right < len(text) and text[left] == text[right]:
                left, right = left - 1, right + 1
            best = max(best, text[left + 1:right], key=len)
    return best


def letter_positions(text: str) -> list[int]:
    """Place of each letter in the alphabet, from one.
    >>> letter_positions('abz')
    [1, 2, 26]
    """
    return [ord(c) - ord('a') + 1 for c in text.lower() if 'a' <= c <= 'z']


def sorted_words(text: str) -> str:
    """The words in alphabetical order.
    >>> sorted_words('pear apple fig')
    'apple fig pear'
    """
    return ' '.join(sorted(text.split()))
