"""General functions about numbers. Types are those of the crate: n is a number, one letter each."""

from __future__ import annotations

import functools
import math


def clamp(x: n, low: n, high: n) -> n:
    """Limit a number to a range.
    >>> clamp(5, 0, 3)
    3
    """
    return max(low, min(x, high))


def sign(x: n) -> int:
    """Sign of a number: -1, 0 or 1.
    >>> sign(-2.5)
    -1
    """
    return (x > 0) - (x < 0)


def is_even(n: int) -> bool:
    """Whether an integer is even.
    >>> is_even(4)
    True
    """
    return n % 2 == 0


def is_prime(n: int) -> bool:
    """Whether a number is prime.
    >>> [k for k in range(20) if is_prime(k)]
    [2, 3, 5, 7, 11, 13, 17, 19]
    """
    return n > 1 and all(n % k for k in range(2, math.isqrt(n) + 1))


def primes_up_to(limit: int) -> list[int]:
    """All primes up to a limit, that one included.
    >>> primes_up_to(13)
    [2, 3, 5, 7, 11, 13]
    """
    marks = [True] * (limit + 1)
    for k in range(2, math.isqrt(max(limit, 0)) + 1):
        if marks[k]:
            marks[k * k::k] = [False] * len(marks[k * k::k])
    return [k for k in range(2, limit + 1) if marks[k]]


def first_primes(count: int) -> list[int]:
    """The first so many primes.
    >>> first_primes(4)
    [2, 3, 5, 7]
    """
    found, k = [], 2
    while len(found) < count:
        if all(k % p for p in found):
            found.append(k)
        k += 1
    return found


def prime_factorisation(n: int) -> list[int]:
    """Prime factors of a number in ascending order, each as often as it divides.
    >>> prime_factorisation(84)
    [2, 2, 3, 7]
    """
    found, k = [], 2
    while k * k <= n:
        while n % k == 0:
            found.append(k)
            n //= k
        k += 1
    return found + [n] if n > 1 else found


def prime_powers(n: int) -> dict[int, int]:
    """Prime factors of a number with their exponents.
    >>> prime_powers(84)
    {2: 2, 3: 1, 7: 1}
    """
    found, k = {}, 2
    while n > 1:
        while n % k == 0:
            found[k] = found.get(k, 0) + 1
            n //= k
        k = k + 1 if k * k <= n else max(n, k + 1)
    return found


def divisors(n: int) -> list[int]:
    """All divisors of a positive number, ascending.
    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    return [k for k in range(1, n + 1) if n % k == 0]


def proper_divisor_sum(n: int) -> int:
    """Sum of the divisors of a number without itself.
    >>> proper_divisor_sum(28)
    28
    """
    return sum(k for k in range(1, n // 2 + 1) if n % k == 0)


def is_perfect(n: int) -> bool:
    """Whether a number is perfect: the sum of its proper divisors.
    >>> [k for k in range(1, 30) if is_perfect(k)]
    [6, 28]
    """
    return n > 0 and sum(k for k in range(1, n // 2 + 1) if n % k == 0) == n


def greatest_common_divisor(a: int, b: int) -> int:
    """Greatest common divisor of two integers.
    >>> greatest_common_divisor(12, 18)
    6
    """
    while b:
        a, b = b, a % b
    return abs(a)


def least_common_multiple(a: int, b: int) -> int:
    """Least common multiple of two integers.
    >>> least_common_multiple(4, 6)
    12
    """
    return abs(a * b) // math.gcd(a, b) if a and b else 0


def gcd_of_all(numbers: list[int]) -> int:
    """Greatest common divisor of all integers of a list.
    >>> gcd_of_all([12, 18, 30])
    6
    """
    return functools.reduce(math.gcd, numbers, 0)


def lcm_of_all(numbers: list[int]) -> int:
    """Least common multiple of all integers of a list.
    >>> lcm_of_all([2, 3, 4])
    12
    """
    total = 1
    for number in numbers:
        total = abs(total * number) // math.gcd(total, number) if number else 0
    return total


def are_coprime(a: int, b: int) -> bool:
    """Whether two integers have no common divisor but one.
    >>> are_coprime(9, 14)
    True
    """
    return math.gcd(a, b) == 1


def euler_totient(n: int) -> int:
    """How many numbers up to n are coprime to it.
    >>> euler_totient(12)
    4
    """
    return sum(1 for k in range(1, n + 1) if math.gcd(k, n) == 1)


def factorial(n: int) -> int:
    """Factorial of a number: the product of all integers up to it.
    >>> factorial(5)
    120
    """
    return math.prod(range(1, n + 1))


def binomial(n: int, k: int) -> int:
    """Binomial coefficient: ways to choose k of n things.
    >>> binomial(5, 2)
    10
    """
    return math.comb(n, k) if 0 <= k <= n else 0


def arrangements(n: int, k: int) -> int:
    """Ordered ways to pick k of n things: permutations.
    >>> arrangements(5, 2)
    20
    """
    return math.perm(n, k) if 0 <= k <= n else 0


def catalan(n: int) -> int:
    """The n-th Catalan number.
    >>> [catalan(k) for k in range(6)]
    [1, 1, 2, 5, 14, 42]
    """
    return math.comb(2 * n, n) // (n + 1)


def fibonacci(n: int) -> int:
    """The n-th Fibonacci number, from 0 and 1.
    >>> [fibonacci(k) for k in range(8)]
    [0, 1, 1, 2, 3, 5, 8, 13]
    """
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def fibonacci_numbers(count: int) -> list[int]:
    """The first so many Fibonacci numbers.
    >>> fibonacci_numbers(6)
    [0, 1, 1, 2, 3, 5]
    """
    found = [0, 1]
    while len(found) < count:
        found.append(found[-1] + found[-2])
    return found[:max(count, 0)]


def collatz_steps(n: int) -> int:
    """Steps of the Collatz sequence until one is reached.
    >>> collatz_steps(6)
    8
    """
    steps = 0
    while n > 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def digit_list(n: int) -> list[int]:
    """Decimal digits of an integer, sign apart.
    >>> digit_list(-205)
    [2, 0, 5]
    """
    return [int(c) for c in str(abs(n))]


def digit_sum(n: int) -> int:
    """Sum of the decimal digits of an integer.
    >>> digit_sum(905)
    14
    """
    return sum(int(c) for c in str(abs(n)))


def digit_product(n: int) -> int:
    """Product of the decimal digits of an integer.
    >>> digit_product(234)
    24
    """
    return math.prod(int(c) for c in str(abs(n)))


def digital_root(n: int) -> int:
    """Sum of digits, taken again until one digit is left.
    >>> digital_root(987)
    6
    """
    return 0 if n == 0 else 1 + (abs(n) - 1) % 9


def digit_count(n: int) -> int:
    """How many decimal digits an integer has.
    >>> digit_count(-120)
    3
    """
    return len(str(abs(n)))


def reverse_digits(n: int) -> int:
    """The integer with its decimal digits reversed; the sign stays.
    >>> reverse_digits(-120)
    -21
    """
    reversed_ = int(str(abs(n))[::-1])
    return -reversed_ if n < 0 else reversed_


def is_armstrong(n: int) -> bool:
    """Whether a number is the sum of its digits to the power of their count: an Armstrong or narcissistic number.
    >>> [k for k in range(100, 400) if is_armstrong(k)]
    [153, 370, 371]
    """
    text = str(n)
    return n == sum(int(c) ** len(text) for c in text)


def is_square(n: int) -> bool:
    """Whether an integer is a perfect square.
    >>> [k for k in range(20) if is_square(k)]
    [0, 1, 4, 9, 16]
    """
    return n >= 0 and math.isqrt(n) ** 2 == n


def is_power_of(n: int, base: int) -> bool:
    """Whether a number is a power of a base.
    >>> [k for k in range(30) if is_power_of(k, 3)]
    [1, 3, 9, 27]
    """
    if base in (0, 1):
        return n == base or n == 1
    while n > 1 and n % base == 0:
        n //= base
    return n == 1


def integer_square_root(n: int) -> int:
    """Largest integer whose square is not greater.
    >>> integer_square_root(17)
    4
    """
    return math.isqrt(n)


def integer_power(base: int, exponent: int) -> int:
    """A base to a power.
    >>> integer_power(2, 10)
    1024
    """
    return base ** exponent


def power_modulo(base: int, exponent: int, modulus: int) -> int:
    """A power modulo a number.
    >>> power_modulo(3, 200, 13)
    9
    """
    return pow(base, exponent, modulus)


def modular_inverse(a: int, modulus: int) -> int:
    """The number that multiplied with a gives one modulo the modulus.
    >>> modular_inverse(3, 11)
    4
    """
    return pow(a, -1, modulus)


def in_base(n: int, base: int) -> str:
    """A number written in a base from 2 to 36.
    >>> in_base(255, 16)
    'ff'
    """
    digits, text, rest = '0123456789abcdefghijklmnopqrstuvwxyz', '', abs(n)
    while rest:
        rest, digit = divmod(rest, base)
        text = digits[digit] + text
    return ('-' if n < 0 else '') + (text or '0')


def from_base(text: str, base: int) -> int:
    """The number that a text in a base stands for.
    >>> from_base('ff', 16)
    255
    """
    return int(text, base)


def to_binary(n: int) -> str:
    """Binary digits of a number.
    >>> to_binary(10)
    '1010'
    """
    return format(n, 'b')


def to_hexadecimal(n: int) -> str:
    """Hexadecimal digits of a number.
    >>> to_hexadecimal(254)
    'fe'
    """
    return format(n, 'x')


def bit_count(n: int) -> int:
    """How many bits of a number are set.
    >>> bit_count(11)
    3
    """
    return bin(n).count('1')


def triangular(n: int) -> int:
    """Sum of the integers from one to n.
    >>> triangular(4)
    10
    """
    return n * (n + 1) // 2


def sum_of_squares(n: int) -> int:
    """Sum of the squares of the integers from one to n.
    >>> sum_of_squares(3)
    14
    """
    return n * (n + 1) * (2 * n + 1) // 6


def sum_of_multiples(limit: int, step: int) -> int:
    """Sum of the multiples of a step below a limit.
    >>> sum_of_multiples(10, 3)
    18
    """
    return sum(range(0, limit, step))


def round_half_up(x: float, places: int) -> float:
    """Round to so many places; halves go away from zero.
    >>> round_half_up(2.5, 0)
    3.0
    """
    scale = 10 ** places
    return math.copysign(math.floor(abs(x) * scale + 0.5) / scale, x)


def fractional_part(x: float) -> float:
    """What is left of a number without its integer part.
    >>> fractional_part(2.25)
    0.25
    """
    return x - math.trunc(x)


def percentage(part: n, whole: n) -> float:
    """A part of a whole in percent.
    >>> percentage(1, 4)
    25.0
    """
    return 100 * part / whole


def percent_change(old: n, new: n) -> float:
    """Change from an old value to a new one in percent.
    >>> percent_change(50, 60)
    20.0
    """
    return 100 * (new - old) / old


def compound_interest(amount: float, rate: float, years: int) -> float:
    """Amount with interest compounded each year; the rate in percent.
    >>> compound_interest(100.0, 10.0, 2)
    121.00000000000001
    """
    return amount * (1 + rate / 100) ** years


def hypotenuse(a: n, b: n) -> float:
    """Hypotenuse of a right triangle.
    >>> hypotenuse(3, 4)
    5.0
    """
    return math.hypot(a, b)


def circle_area(radius: n) -> float:
    """Area of a circle.
    >>> round(circle_area(2), 4)
    12.5664
    """
    return math.pi * radius ** 2


def triangle_area_by_sides(a: n, b: n, c: n) -> float:
    """Area of a triangle from its three sides.
    >>> triangle_area_by_sides(3, 4, 5)
    6.0
    """
    s = (a + b + c) / 2
    return math.sqrt(s * (s - a) * (s - b) * (s - c))


def is_triangle(a: n, b: n, c: n) -> bool:
    """Whether three sides make a triangle.
    >>> is_triangle(3, 4, 8)
    False
    """
    return a + b > c and a + c > b and b + c > a


def celsius_from_fahrenheit(degrees: n) -> float:
    """Temperature in Celsius from Fahrenheit.
    >>> celsius_from_fahrenheit(212)
    100.0
    """
    return (degrees - 32) * 5 / 9


def fahrenheit_from_celsius(degrees: n) -> float:
    """Temperature in Fahrenheit from Celsius.
    >>> fahrenheit_from_celsius(100)
    212.0
    """
    return degrees * 9 / 5 + 32


def roman_numeral(n: int) -> str:
    """A number as a Roman numeral.
    >>> roman_numeral(1994)
    'MCMXCIV'
    """
    steps = [(1000, 'M'), (900, 'CM'), (500, 'D'), (400, 'CD'), (100, 'C'), (90, 'XC'), (50, 'L'), (40, 'XL'),
             (10, 'X'), (9, 'IX'), (5, 'V'), (4, 'IV'), (1, 'I')]
    text = ''
    for value, letters in steps:
        text += letters * (n // value)
        n %= value
    return text


def ordinal(n: int) -> str:
    """A number with its English ordinal ending.
    >>> [ordinal(k) for k in (1, 2, 3, 4, 11, 22, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd', '113th']
    """
    ending = 'th' if 10 <= n % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')
    return str(n) + ending


def quadratic_roots(a: n, b: n, c: n) -> list[float]:
    """Real roots of a quadratic equation, ascending, each once.
    >>> quadratic_roots(1, -3, 2)
    [1.0, 2.0]
    """
    d = b * b - 4 * a * c
    if d < 0:
        return []
    return sorted({(-b - math.sqrt(d)) / (2 * a), (-b + math.sqrt(d)) / (2 * a)})


def evaluate_polynomial(coefficients: list[n], x: n) -> n:
    """Value of a polynomial; the coefficient of the highest power comes first.
    >>> evaluate_polynomial([2, 0, 1], 3)
    19
    """
    total = 0
    for coefficient in coefficients:
        total = total * x + coefficient
    return total
