"""General functions about dates and times, as texts in ISO 8601 where nothing else is said."""

from __future__ import annotations

import calendar
import datetime


def is_leap_year(year: int) -> bool:
    """Whether a year of the Gregorian calendar is a leap year.
    >>> [year for year in (1900, 2000, 2023, 2024) if is_leap_year(year)]
    [2000, 2024]
    """
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    """How many days a month has.
    >>> days_in_month(2024, 2)
    29
    """
    return calendar.monthrange(year, month)[1]


def days_in_year(year: int) -> int:
    """How many days a year has.
    >>> days_in_year(2023)
    365
    """
    return 366 if calendar.isleap(year) else 365


def is_valid_date(text: str) -> bool:
    """Whether a text is a date of the form YYYY-MM-DD that exists.
    >>> is_valid_date('2023-02-29')
    False
    """
    try:
        return datetime.datetime.strptime(text, '%Y-%m-%d').strftime('%Y-%m-%d') == text
    except ValueError:
        return False


def days_between(first: str, second: str) -> int:
    """Days from the first date to the second.
    >>> days_between('2024-02-28', '2024-03-01')
    2
    """
    return (datetime.date.fromisoformat(second) - datetime.date.fromisoformat(first)).days


def add_days(date: str, days: int) -> str:
    """The date so many days later.
    >>> add_days('2024-02-28', 2)
    '2024-03-01'
    """
    return (datetime.date.fromisoformat(date) + datetime.timedelta(days=days)).isoformat()


def add_months(date: str, months: int) -> str:
    """The date so many months later, at most the last day of that month.
    >>> add_months('2024-01-31', 1)
    '2024-02-29'
    """
    day = datetime.date.fromisoformat(date)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return datetime.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1])).isoformat()


def weekday_name(date: str) -> str:
    """English name of the weekday of a date.
    >>> weekday_name('2024-02-29')
    'Thursday'
    """
    return calendar.day_name[datetime.date.fromisoformat(date).weekday()]


def is_weekend(date: str) -> bool:
    """Whether a date is a Saturday or a Sunday.
    >>> is_weekend('2024-03-02')
    True
    """
    return datetime.date.fromisoformat(date).weekday() >= 5


def day_of_year(date: str) -> int:
    """Which day of its year a date is, from one.
    >>> day_of_year('2024-03-01')
    61
    """
    return datetime.date.fromisoformat(date).timetuple().tm_yday


def week_number(date: str) -> int:
    """Number of the ISO week of a date.
    >>> week_number('2024-01-01')
    1
    """
    return datetime.date.fromisoformat(date).isocalendar()[1]


def quarter(month: int) -> int:
    """Quarter of the year that a month is in.
    >>> [quarter(month) for month in (1, 3, 4, 12)]
    [1, 1, 2, 4]
    """
    return (month - 1) // 3 + 1


def month_name(month: int) -> str:
    """English name of a month.
    >>> month_name(2)
    'February'
    """
    return calendar.month_name[month]


def age_in_years(born: str, today: str) -> int:
    """Whole years from a birth date to another date: age.
    >>> age_in_years('2000-06-15', '2024-06-14')
    23
    """
    birth, day = datetime.date.fromisoformat(born), datetime.date.fromisoformat(today)
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def business_days_between(first: str, second: str) -> int:
    """Working days, Monday to Friday, from the first date on and before the second.
    >>> business_days_between('2024-03-01', '2024-03-05')
    2
    """
    start, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(second)
    days = (start + datetime.timedelta(days=at) for at in range((end - start).days))
    return sum(day.weekday() < 5 for day in days)


def date_range(first: str, last: str) -> list[str]:
    """All dates from the first to the last, both included.
    >>> date_range('2024-02-28', '2024-03-01')
    ['2024-02-28', '2024-02-29', '2024-03-01']
    """
    start, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    return [(start + datetime.timedelta(days=at)).isoformat() for at in range((end - start).days + 1)]


def european_date(date: str) -> str:
    """An ISO date as day, month and year with points: DD.MM.YYYY.
    >>> european_date('2024-02-09')
    '09.02.2024'
    """
    year, month, day = date.split('-')
    return f'{day}.{month}.{year}'


def iso_from_us_date(text: str) -> str:
    """A date of the form MM/DD/YYYY in ISO form.
    >>> iso_from_us_date('2/9/2024')
    '2024-02-09'
    """
    month, day, year = text.split('/')
    return f'{int(year):04}-{int(month):02}-{int(day):02}'


def clock_from_seconds(seconds: int) -> str:
    """Seconds as hours, minutes and seconds: HH:MM:SS.
    >>> clock_from_seconds(3725)
    '01:02:05'
    """
    return f'{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}'


def seconds_from_clock(text: str) -> int:
    """Seconds of a time such as HH:MM:SS or MM:SS.
    >>> [seconds_from_clock(text) for text in ('01:02:05', '02:05')]
    [3725, 125]
    """
    total = 0
    for part in text.split(':'):
        total = total * 60 + int(part)
    return total


def minutes_between(first: str, second: str) -> int:
    """Minutes from one time of day to another, HH:MM each, over midnight where the second is earlier.
    >>> minutes_between('23:50', '00:10')
    20
    """
    start, end = [int(text[:2]) * 60 + int(text[3:]) for text in (first, second)]
    return (end - start) % (24 * 60)


def twelve_hour_clock(text: str) -> str:
    """A time of day HH:MM in the twelve hour clock with AM or PM.
    >>> [twelve_hour_clock(text) for text in ('00:05', '12:00', '18:30')]
    ['12:05 AM', '12:00 PM', '6:30 PM']
    """
    hour, minute = int(text[:2]), text[3:]
    return f'{(hour - 1) % 12 + 1}:{minute} {"AM" if hour < 12 else "PM"}'


def easter_sunday(year: int) -> str:
    """Date of Easter Sunday in the Gregorian calendar.
    >>> easter_sunday(2024)
    '2024-03-31'
    """
    a, (b, c) = year % 19, divmod(year, 100)
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    l = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * l) // 451
    month, day = divmod(h + l - 7 * m + 114, 31)
    return f'{year:04}-{month:02}-{day + 1:02}'
