// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_date.h"

#include <string.h>
#include <time.h>

static void put_digits(char *to, int count, int number)
{
	while (count--) {
		to[count] = (char)('0' + number % 10);
		number /= 10;
	}
}

const char *http1_date(int64_t date, char to[HTTP1_DATE_ROOM])
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static const char form[HTTP1_DATE_ROOM] = "???, ?? ??? ???? ??:??:?? GMT";
	time_t time = date;
	struct tm at;

	if (!gmtime_r(&time, &at) || at.tm_year < 0 || at.tm_year > 8099)
		return NULL;
	memcpy(to, form, sizeof(form));
	memcpy(to, days + 3 * at.tm_wday, 3);
	put_digits(to + 5, 2, at.tm_mday);
	memcpy(to + 8, months + 3 * at.tm_mon, 3);
	put_digits(to + 12, 4, 1900 + at.tm_year);
	put_digits(to + 17, 2, at.tm_hour);
	put_digits(to + 20, 2, at.tm_min);
	put_digits(to + 23, 2, at.tm_sec);
	return to;
}

void http1_put_date(struct http1_out *out, int64_t date)
{
	char text[HTTP1_DATE_ROOM];

	if (date && http1_date(date, text))
		http1_put_field(out, HTTP1_SPAN("Date"), HTTP1_SPAN(text));
}
