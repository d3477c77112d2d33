//! Helpers about whole numbers.

use crate::limits::FACTOR_MAX;
use crate::ops::{Args, at, int};
use crate::value::{Fail, Value};

type Answer = Result<Value, Fail>;

fn ints(values: impl IntoIterator<Item = i64>) -> Value {
    Value::list(values.into_iter().map(Value::Int).collect())
}

fn factorable(args: Args<'_>) -> Result<i64, Fail> {
    let n = int(at(args, 0)?)?;
    if n > FACTOR_MAX { Err(Fail::TooBig) } else { Ok(n) }
}

pub(super) const IS_PRIME: &str = "def is_prime(n):
    return n > 1 and all(n % k for k in range(2, int(n ** 0.5) + 1))
";

pub(super) fn is_prime(args: Args<'_>) -> Answer {
    let n = factorable(args)?;
    Ok(Value::Bool(n > 1 && (2..).take_while(|k| k * k <= n).all(|k| n % k != 0)))
}

pub(super) const PRIME_FACTORS: &str = "def prime_factors(n):
    found, k = [], 2
    while k * k <= n:
        while n % k == 0:
            found.append(k)
            n //= k
        k += 1
    return found + [n] if n > 1 else found
";

pub(super) fn prime_factors(args: Args<'_>) -> Answer {
    let (mut n, mut k, mut found) = (factorable(args)?, 2, Vec::new());
    while k * k <= n {
        while n % k == 0 {
            found.push(k);
            n /= k;
        }
        k += 1;
    }
    if n > 1 {
        found.push(n);
    }
    Ok(ints(found))
}

pub(super) const DIVISORS: &str = "def divisors(n):
    low = [k for k in range(1, int(n ** 0.5) + 1) if n % k == 0] if n > 0 else []
    return low + [n // k for k in reversed(low) if k * k != n]
";

pub(super) fn divisors(args: Args<'_>) -> Answer {
    let n = factorable(args)?;
    let low: Vec<i64> = (1..).take_while(|k| k * k <= n).filter(|k| n % k == 0).collect();
    let high = low.iter().rev().filter(|k| *k * *k != n).map(|k| n / k);
    Ok(ints(low.iter().copied().chain(high)))
}

pub(super) const DIGITS: &str = "def digits(n):
    return [int(c) for c in str(abs(n))]
";

pub(super) fn digits(args: Args<'_>) -> Answer {
    let n = int(at(args, 0)?)?.unsigned_abs().to_string();
    Ok(ints(n.bytes().map(|digit| i64::from(digit - b'0'))))
}

pub(super) const GCD: &str = "def gcd(a, b):
    while b:
        a, b = b, a % b
    return abs(a)
";

fn divisor(a: i64, b: i64) -> Result<i64, Fail> {
    let (mut a, mut b) = (a.checked_abs().ok_or(Fail::TooBig)?, b.checked_abs().ok_or(Fail::TooBig)?);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    Ok(a)
}

pub(super) fn gcd(args: Args<'_>) -> Answer {
    divisor(int(at(args, 0)?)?, int(at(args, 1)?)?).map(Value::Int)
}

pub(super) const LCM: &str = "def lcm(a, b):
    x, y = a, b
    while y:
        x, y = y, x % y
    return abs(a * b) // abs(x) if x else 0
";

pub(super) fn lcm(args: Args<'_>) -> Answer {
    let (a, b) = (int(at(args, 0)?)?, int(at(args, 1)?)?);
    let common = divisor(a, b)?;
    let product = a.checked_mul(b).and_then(i64::checked_abs).ok_or(Fail::TooBig)?;
    Ok(Value::Int(product.checked_div(common).unwrap_or(0)))
}

pub(super) const FACTORIAL: &str = "def factorial(n):
    total = 1
    for k in range(2, n + 1):
        total *= k
    return total
";

pub(super) fn factorial(args: Args<'_>) -> Answer {
    (2..=int(at(args, 0)?)?).try_fold(1_i64, i64::checked_mul).map(Value::Int).ok_or(Fail::TooBig)
}

pub(super) const FIBONACCI: &str = "def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a
";

pub(super) fn fibonacci(args: Args<'_>) -> Answer {
    let (mut a, mut b) = (0_i64, 1_i64);
    for _ in 0..int(at(args, 0)?)? {
        (a, b) = (b, a.checked_add(b).ok_or(Fail::TooBig)?);
    }
    Ok(Value::Int(a))
}

pub(super) const IS_POWER: &str = "def is_power(n, base):
    if base < 2:
        return n == 1 or n == base
    power = 1
    while power < n:
        power *= base
    return power == n
";

pub(super) fn is_power(args: Args<'_>) -> Answer {
    let (n, base) = (int(at(args, 0)?)?, int(at(args, 1)?)?);
    if base < 2 {
        return Ok(Value::Bool(n == 1 || n == base));
    }
    let mut power = 1_i64;
    while power < n {
        power = power.checked_mul(base).ok_or(Fail::TooBig)?;
    }
    Ok(Value::Bool(power == n))
}

pub(super) const INTEGER_ROOT: &str = "def integer_root(n, k):
    low, high = 0, 1
    while high ** k <= n:
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle ** k <= n else (low, middle)
    return low
";

pub(super) fn integer_root(args: Args<'_>) -> Answer {
    let (n, k) = (int(at(args, 0)?)?, int(at(args, 1)?)?);
    let k = u32::try_from(k).ok().filter(|k| (1..=8).contains(k)).ok_or(Fail::Unsupported)?;
    // Past 64 bits a power is larger than any `n` here.
    let fits = |root: i64| root.checked_pow(k).is_some_and(|power| power <= n);
    let (mut low, mut high) = (0, 1_i64);
    while fits(high) {
        high = high.checked_mul(2).ok_or(Fail::TooBig)?;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(Value::Int(low))
}

pub(super) const IN_BASE: &str = "def in_base(n, base):
    text = ''
    while n > 0:
        text = '0123456789abcdefghijklmnopqrstuvwxyz'[n % base] + text
        n //= base
    return text or '0'
";

pub(super) fn in_base(args: Args<'_>) -> Answer {
    let (mut n, base) = (int(at(args, 0)?)?, int(at(args, 1)?)?);
    if !(2..=36).contains(&base) {
        return Err(Fail::Unsupported);
    }
    let mut digits = Vec::new();
    while n > 0 {
        digits.push(
            u32::try_from(n % base).ok().and_then(|digit| char::from_digit(digit, 36)).ok_or(Fail::TooBig)?,
        );
        n /= base;
    }
    let text: String = digits.into_iter().rev().collect();
    Ok(Value::text(if text.is_empty() { "0" } else { &text }))
}

pub(super) const ROMAN: &str = "def roman(n):
    text = ''
    for value, letters in ((1000, 'M'), (900, 'CM'), (500, 'D'), (400, 'CD'), (100, 'C'), (90, 'XC'), (50, 'L'),
                           (40, 'XL'), (10, 'X'), (9, 'IX'), (5, 'V'), (4, 'IV'), (1, 'I')):
        text += letters * (n // value)
        n %= value
    return text
";

pub(super) fn roman(args: Args<'_>) -> Answer {
    let mut n = int(at(args, 0)?)?;
    if !(0..100_000).contains(&n) {
        return Err(Fail::Unsupported);
    }
    let mut text = String::new();
    for (value, letters) in [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ] {
        while n >= value {
            text.push_str(letters);
            n -= value;
        }
    }
    Ok(Value::text(&text))
}

pub(super) const COLLATZ: &str = "def collatz(n):
    steps = [n]
    while n > 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps.append(n)
    return steps
";

pub(super) fn collatz(args: Args<'_>) -> Answer {
    let mut n = int(at(args, 0)?)?;
    let mut steps = vec![n];
    while n > 1 {
        n = if n % 2 == 0 {
            n / 2
        } else {
            n.checked_mul(3).and_then(|n| n.checked_add(1)).ok_or(Fail::TooBig)?
        };
        steps.push(n);
        if steps.len() > 2_000 {
            return Err(Fail::TooBig);
        }
    }
    Ok(ints(steps))
}

pub(super) const POWER_MODULO: &str = "def power_modulo(base, exponent, modulus):
    return pow(base, exponent, modulus)
";

pub(super) fn power_modulo(args: Args<'_>) -> Answer {
    let (base, exponent, modulus) = (int(at(args, 0)?)?, int(at(args, 1)?)?, int(at(args, 2)?)?);
    if exponent < 0 || modulus < 1 {
        return Err(Fail::Unsupported);
    }
    let modulus = i128::from(modulus);
    let (mut base, mut exponent, mut total) = (i128::from(base).rem_euclid(modulus), exponent, 1 % modulus);
    while exponent > 0 {
        if exponent % 2 == 1 {
            total = total * base % modulus;
        }
        base = base * base % modulus;
        exponent /= 2;
    }
    i64::try_from(total).map(Value::Int).map_err(|_| Fail::TooBig)
}
