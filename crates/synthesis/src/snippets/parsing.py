"""General functions that read and check texts of known forms, or write them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import ipaddress
import json
import re
import urllib.parse


def numbers_in_text(text: str) -> list[int]:
    """All integers in a text, signs included.
    >>> numbers_in_text('a1 and -22')
    [1, -22]
    """
    return [int(found) for found in re.findall(r'-?\d+', text)]


def decimals_in_text(text: str) -> list[float]:
    """All decimal numbers in a text.
    >>> decimals_in_text('1.5 kg, 2 m')
    [1.5, 2.0]
    """
    return [float(found) for found in re.findall(r'-?\d+(?:\.\d+)?', text)]


def is_integer_text(text: str) -> bool:
    """Whether a text is an integer.
    >>> is_integer_text('-12')
    True
    """
    return re.fullmatch(r'[+-]?[0-9]+', text) is not None


def is_decimal_text(text: str) -> bool:
    """Whether a text is a decimal number.
    >>> is_decimal_text('1.5e3')
    False
    """
    return re.fullmatch(r'[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)', text) is not None


def parse_integers(text: str, separator: str) -> list[int]:
    """Integers between separators.
    >>> parse_integers('1; 2;3', ';')
    [1, 2, 3]
    """
    return [int(part) for part in text.split(separator) if part.strip()]


def split_and_trim(text: str, separator: str) -> list[str]:
    """Parts between separators without spaces around them; empty parts left out.
    >>> split_and_trim('a, b,, c', ',')
    ['a', 'b', 'c']
    """
    return [part.strip() for part in text.split(separator) if part.strip()]


def parse_key_values(text: str) -> dict[str, str]:
    """Pairs such as a=1;b=2 as a dict.
    >>> parse_key_values('a=1; b = 2')
    {'a': '1', 'b': '2'}
    """
    pairs = (part.split('=', 1) for part in text.split(';') if '=' in part)
    return {key.strip(): value.strip() for key, value in pairs}


def parse_query_string(text: str) -> dict[str, str]:
    """Query string of a URL as a dict; the last value of a name counts.
    >>> parse_query_string('a=1&b=x%20y')
    {'a': '1', 'b': 'x y'}
    """
    return dict(urllib.parse.parse_qsl(text.lstrip('?'), keep_blank_values=True))


def query_string(values: dict[str, str]) -> str:
    """A dict as query string of a URL.
    >>> query_string({'a': '1', 'b': 'x y'})
    'a=1&b=x+y'
    """
    return urllib.parse.urlencode(values)


def host_of_url(url: str) -> str:
    """Host of a URL in lower case.
    >>> host_of_url('https://User@Example.org:8080/x?y')
    'example.org'
    """
    return urllib.parse.urlsplit(url).hostname or ''


def file_extension(path: str) -> str:
    """Extension of a file name without its dot, empty when there is none.
    >>> [file_extension(path) for path in ('a/b.tar.gz', 'a.b/c', '.profile')]
    ['gz', '', '']
    """
    name = path.rsplit('/', 1)[-1].lstrip('.')
    return name.rsplit('.', 1)[1] if '.' in name else ''


def base_name(path: str) -> str:
    """Last part of a path.
    >>> base_name('/usr/lib/x.so')
    'x.so'
    """
    return path.rstrip('/').rsplit('/', 1)[-1]


def is_email(text: str) -> bool:
    """Whether a text looks like an e-mail address.
    >>> [is_email(text) for text in ('a.b@c.org', 'a@b', 'x')]
    [True, False, False]
    """
    return re.fullmatch(r'[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+', text) is not None


def emails_in_text(text: str) -> list[str]:
    """All e-mail addresses in a text.
    >>> emails_in_text('write to a@b.org, or c@d.co.uk.')
    ['a@b.org', 'c@d.co.uk']
    """
    return re.findall(r'[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+', text)


def is_ipv4(text: str) -> bool:
    """Whether a text is an IPv4 address.
    >>> [is_ipv4(text) for text in ('1.2.3.4', '1.2.3.256', '1.2.3')]
    [True, False, False]
    """
    try:
        return bool(ipaddress.IPv4Address(text))
    except ValueError:
        return False


def is_hex_colour(text: str) -> bool:
    """Whether a text is a colour such as #a1b2c3 or #abc.
    >>> is_hex_colour('#12zz00')
    False
    """
    return re.fullmatch(r'#(?:[0-9a-fA-F]{3}){1,2}', text) is not None


def rgb_from_hex(text: str) -> tuple[int, int, int]:
    """Red, green and blue of a colour such as #ff8000.
    >>> rgb_from_hex('#ff8000')
    (255, 128, 0)
    """
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def hex_from_rgb(red: int, green: int, blue: int) -> str:
    """A colour such as #ff8000 from red, green and blue.
    >>> hex_from_rgb(255, 128, 0)
    '#ff8000'
    """
    return f'#{red:02x}{green:02x}{blue:02x}'


def compare_versions(first: str, second: str) -> int:
    """Compare versions such as 1.10.0: -1, 0 or 1.
    >>> [compare_versions('1.10', other) for other in ('1.9', '1.10.0', '2')]
    [1, 0, -1]
    """
    a, b = [[int(part) for part in text.split('.')] for text in (first, second)]
    size = max(len(a), len(b))
    a, b = a + [0] * (size - len(a)), b + [0] * (size - len(b))
    return (a > b) - (a < b)


def luhn_valid(number: str) -> bool:
    """Whether the check digit of a card number is right: Luhn algorithm.
    >>> [luhn_valid(text) for text in ('4556 7375 8689 9855', '4556737586899856')]
    [True, False]
    """
    digits = [int(c) for c in number if c.isdigit()][::-1]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return len(digits) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def isbn10_valid(text: str) -> bool:
    """Whether an ISBN of ten digits has the right check digit.
    >>> isbn10_valid('0-306-40615-2')
    True
    """
    digits = [10 if c in 'xX' else int(c) for c in text if c.isdigit() or c in 'xX']
    return len(digits) == 10 and 10 not in digits[:9] and sum((10 - at) * d for at, d in enumerate(digits)) % 11 == 0


def ean13_valid(text: str) -> bool:
    """Whether an EAN or ISBN of thirteen digits has the right check digit.
    >>> ean13_valid('978-3-16-148410-0')
    True
    """
    digits = [int(c) for c in text if c.isdigit()]
    return len(digits) == 13 and (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0


def iban_valid(text: str) -> bool:
    """Whether an IBAN has the right check digits.
    >>> iban_valid('GB82 WEST 1234 5698 7654 32')
    True
    """
    text = text.replace(' ', '').upper()
    if not re.fullmatch('[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}', text):
        return False
    return int(''.join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def roman_to_number(text: str) -> int:
    """Number that a Roman numeral stands for.
    >>> roman_to_number('MCMXCIV')
    1994
    """
    values = [{'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100, 'D': 500, 'M': 1000}[c] for c in text.upper()]
    return sum(-a if a < b else a for a, b in zip(values, values[1:] + [0]))


def parse_duration(text: str) -> int:
    """Seconds of a duration such as 1h30m or 45s.
    >>> parse_duration('1h30m')
    5400
    """
    return sum(int(count) * {'d': 86400, 'h': 3600, 'm': 60, 's': 1}[unit] for count, unit in re.findall(r'(\d+)([dhms])', text))


def parse_size(text: str) -> int:
    """Bytes of a size such as 10KB or 1.5 MB, in steps of 1024.
    >>> [parse_size(text) for text in ('10', '10KB', '1.5 MB')]
    [10, 10240, 1572864]
    """
    number, unit = re.fullmatch(r'\s*([0-9.]+)\s*([KMGT]?)B?\s*', text.upper()).groups()
    return int(float(number) * 1024 ** ' KMGT'.index(unit or ' '))


def human_size(size: int) -> str:
    """Bytes in the largest unit that fits, one digit after the point.
    >>> [human_size(size) for size in (10, 2048, 1572864)]
    ['10 B', '2.0 KB', '1.5 MB']
    """
    if size < 1024:
        return f'{size} B'
    value = float(size)
    for unit in ('KB', 'MB', 'GB', 'TB'):
        value /= 1024
        if value < 1024:
            break
    return f'{value:.1f} {unit}'


def thousands(number: int) -> str:
    """An integer with commas between thousands.
    >>> thousands(-1234567)
    '-1,234,567'
    """
    return f'{number:,}'


def money(amount: float, currency: str) -> str:
    """An amount with two decimals, thousands separated, before it the currency.
    >>> money(1234.5, '$')
    '$1,234.50'
    """
    return f'{currency}{amount:,.2f}'


def csv_rows(text: str) -> list[list[str]]:
    """Rows of a CSV text.
    >>> csv_rows('a,"b,c"')
    [['a', 'b,c']]
    """
    return list(csv.reader(io.StringIO(text)))


def csv_text(rows: list[list[str]]) -> str:
    """Rows as a CSV text, lines ended by a line feed.
    >>> csv_text([['a', 'b,c'], ['d', 'e']]).splitlines()
    ['a,"b,c"', 'd,e']
    """
    out = io.StringIO()
    csv.writer(out, lineterminator='\n').writerows(rows)
    return out.getvalue()


def csv_records(text: str) -> list[dict[str, str]]:
    """Records of a CSV text whose first line is a header.
    >>> csv_records(chr(10).join(['id,name', '1,Ann']))
    [{'id': '1', 'name': 'Ann'}]
    """
    return [dict(row) for row in csv.DictReader(io.StringIO(text))]


def is_json(text: str) -> bool:
    """Whether a text is JSON.
    >>> is_json('{"a": 1}')
    True
    """
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def base64_encode(text: str) -> str:
    """A text in Base64.
    >>> base64_encode('hi')
    'aGk='
    """
    return base64.b64encode(text.encode()).decode()


def base64_decode(text: str) -> str:
    """The text that Base64 stands for.
    >>> base64_decode('aGk=')
    'hi'
    """
    return base64.b64decode(text).decode()


def sha256_hex(text: str) -> str:
    """SHA-256 of a text as hexadecimal digits: hash.
    >>> sha256_hex('')[:8]
    'e3b0c442'
    """
    return hashlib.sha256(text.encode()).hexdigest()


def escape_html(text: str) -> str:
    """A text that can stand in HTML.
    >>> escape_html('<a href="x">&')
    '&lt;a href=&quot;x&quot;&gt;&amp;'
    """
    for old, new in (('&', '&amp;'), ('<', '&lt;'), ('>', '&gt;'), ('"', '&quot;'), ("'", '&#x27;')):
        text = text.replace(old, new)
    return text


def strip_tags(text: str) -> str:
    """A text without HTML tags.
    >>> strip_tags('<b>bold</b> x')
    'bold x'
    """
    return re.sub(r'<[^>]*>', '', text)


def markdown_links(text: str) -> list[tuple[str, str]]:
    """Label and target of each link in a Markdown text.
    >>> markdown_links('see [this](http://a.b) now')
    [('this', 'http://a.b')]
    """
    return re.findall(r'\[([^\]]*)\]\(([^)\s]*)\)', text)


def words_to_number(text: str) -> int:
    """Number that English words below a million stand for.
    >>> words_to_number('three hundred and forty-two thousand one')
    342001
    """
    small = ('zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen '
             'seventeen eighteen nineteen').split()
    tens = 'twenty thirty forty fifty sixty seventy eighty ninety'.split()
    total = here = 0
    for word in text.lower().replace('-', ' ').split():
        if word in small:
            here += small.index(word)
        elif word in tens:
            here += 10 * (tens.index(word) + 2)
        elif word == 'hundred':
            here *= 100
        elif word == 'thousand':
            total, here = total + 1000 * here, 0
    return total + here


def number_to_words(n: int) -> str:
    """A number below a million in English words.
    >>> number_to_words(342001)
    'three hundred forty-two thousand one'
    """
    small = ('zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen '
             'seventeen eighteen nineteen').split()
    tens = 'twenty thirty forty fifty sixty seventy eighty ninety'.split()
    if n < 20:
        return small[n]
    if n < 100:
        return tens[n // 10 - 2] + ('-' + small[n % 10] if n % 10 else '')
    size, name = (100, ' hundred') if n < 1000 else (1000, ' thousand')
    rest = ' ' + number_to_words(n % size) if n % size else ''
    return number_to_words(n // size) + name + rest


def morse(text: str) -> str:
    """Morse code of letters and digits, a space between them, a slash between words.
    >>> morse('SOS 1')
    '... --- ... / .----'
    """
    codes = dict(zip('ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789',
                     ('.- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- '
                      '-.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.').split()))
    return ' / '.join(' '.join(codes[c] for c in word if c in codes) for word in text.upper().split())


def evaluate_postfix(text: str) -> int:
    """Value of an expression in postfix (reverse Polish) notation over integers.
    >>> evaluate_postfix('3 4 + 2 *')
    14
    """
    stack = []
    for word in text.split():
        if word in ('+', '-', '*', '//'):
            b, a = stack.pop(), stack.pop()
            stack.append({'+': a + b, '-': a - b, '*': a * b}[word] if word != '//' else a // b)
        else:
            stack.append(int(word))
    return stack.pop()


def password_problems(text: str) -> list[str]:
    """What a password lacks: length, upper case, lower case, digit.
    >>> password_problems('abc')
    ['length', 'upper case', 'digit']
    """
    checks = [('length', len(text) >= 8), ('upper case', any(map(str.isupper, text))),
              ('lower case', any(map(str.islower, text))), ('digit', any(map(str.isdigit, text)))]
    return [name for name, fine in checks if not fine]
