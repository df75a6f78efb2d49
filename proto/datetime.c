/* XEP-0082 DateTime (datetime.h). Arithmetic on the proleptic Gregorian calendar; libc's time zones
 * are not asked. */
#include "proto/datetime.h"

static const int64_t second_us = 1000000, day_s = 86400;

/* Days since 1970-01-01 of a date whose year begins in March, so that the leap day is its last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, month_of_year = (month + 9) % 12;
    int64_t era = (y >= 0 ? y : y - 399) / 400, year_of_era = y - era * 400;
    int64_t day_of_year = (153 * month_of_year + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

struct date {
    int64_t year, month, day;
};

static struct date date_of(int64_t days)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097,
            day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_of_year = (5 * day_of_year + 2) / 153;
    struct date d = {
        .year = year_of_era + era * 400 + (month_of_year >= 10),
        .month = month_of_year < 10 ? month_of_year + 3 : month_of_year - 9,
        .day = day_of_year - (153 * month_of_year + 2) / 5 + 1,
    };

    return d;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

void datetime_write(struct buf *out, int64_t time_us)
{
    int64_t seconds = floor_div(time_us, second_us), days = floor_div(seconds, day_s);
    int part_us = (int)(time_us - seconds * second_us), in_day = (int)(seconds - days * day_s);
    struct date d = date_of(days);

    ASSERT(d.year >= 0 && d.year <= 9999);
    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", (int)d.year, (int)d.month, (int)d.day,
               in_day / 3600, in_day / 60 % 60, in_day % 60);
    if (part_us)
        buf_printf(out, ".%06d", part_us);
    buf_add_char(out, 'Z');
}

struct str datetime_text(int64_t time_us, struct arena *arena)
{
    struct buf b = { 0 };
    struct str text;

    datetime_write(&b, time_us);
    text = arena_str(arena, buf_str(&b));
    buf_fini(&b);
    return text;
}

/* Exactly n digits and, unless it is NUL, the character behind them; *rest moves on. */
static bool take_number(struct str *rest, size_t n, char behind, int64_t *out)
{
    uint64_t value;
    size_t all = n + (behind != '\0');

    if (rest->n < all || str_to_u64(str_of(rest->p, n), &value) != ERR_OK ||
        (behind && rest->p[n] != behind))
        return false;
    *rest = str_of(rest->p + all, rest->n - all);
    *out = (int64_t)value;
    return true;
}

/* ".5" and so on. */
static bool take_fraction(struct str *rest, int64_t *out_us)
{
    int64_t unit = second_us;
    size_t i = 1;

    *out_us = 0;
    if (rest->n == 0 || rest->p[0] != '.')
        return true;
    for (; i < rest->n && rest->p[i] >= '0' && rest->p[i] <= '9'; i++) {
        unit /= 10;
        *out_us += (rest->p[i] - '0') * unit;
    }
    *rest = str_of(rest->p + i, rest->n - i);
    return i > 1;
}

/* "Z", "+01:00", "-08:30", to the end. */
static bool take_offset(struct str rest, int64_t *out_s)
{
    int64_t hours, minutes, sign;

    *out_s = 0;
    if (str_is(rest, "Z"))
        return true;
    if (rest.n == 0 || (rest.p[0] != '+' && rest.p[0] != '-'))
        return false;
    sign = rest.p[0] == '-' ? -1 : 1;
    rest = str_of(rest.p + 1, rest.n - 1);
    if (!take_number(&rest, 2, ':', &hours) || !take_number(&rest, 2, '\0', &minutes) ||
        rest.n > 0 || hours > 23 || minutes > 59)
        return false;
    *out_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool is_date(struct date d)
{
    struct date back;

    if (d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31)
        return false;
    back = date_of(days_of(d.year, d.month, d.day));
    return back.month == d.month && back.day == d.day;
}

enum err datetime_read(struct str text, int64_t *out_time_us)
{
    struct date d;
    int64_t hour, minute, second, part_us, offset_s;

    if (!take_number(&text, 4, '-', &d.year) || !take_number(&text, 2, '-', &d.month) ||
        !take_number(&text, 2, 'T', &d.day) || !take_number(&text, 2, ':', &hour) ||
        !take_number(&text, 2, ':', &minute) || !take_number(&text, 2, '\0', &second))
        return ERR_MALFORMED;
    if (!take_fraction(&text, &part_us) || !take_offset(text, &offset_s))
        return ERR_MALFORMED;
    if (!is_date(d) || hour > 23 || minute > 59 || second > 60)
        return ERR_MALFORMED;
    second += days_of(d.year, d.month, d.day) * day_s + hour * 3600 + minute * 60 - offset_s;
    *out_time_us = second * second_us + part_us;
    return ERR_OK;
}
