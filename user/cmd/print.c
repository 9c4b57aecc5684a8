// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int print_json(json_t *json)
{
	int err = json ? 0 : -ENOMEM;

	if (json && json_dumpf(json, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6)) &&
	    !ferror(stdout)) /* which is said of every command alike, at its end */
		err = -ENOMEM;
	putchar('\n');
	json_decref(json);
	return err;
}

struct table {
	const char *columns;
	size_t count; /* of columns */
	size_t cells;
	char **cell;
};

struct table *table_new(const char *columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		abort();
	table->columns = columns;
	table->count = strlen(columns);
	return table;
}

void table_row(struct table *table, ...)
{
	char **grown = realloc(table->cell, (table->cells + table->count) * sizeof(*grown));
	va_list list;

	if (!grown)
		abort();
	table->cell = grown;
	va_start(list, table);
	for (size_t i = 0; i < table->count; i++) {
		char *copy = strdup(va_arg(list, const char *));

		if (!copy)
			abort();
		table->cell[table->cells++] = copy;
	}
	va_end(list);
}

static size_t width_of(const struct table *table, size_t column)
{
	size_t widest = 0;

	for (size_t i = column; i < table->cells; i += table->count)
		if (strlen(table->cell[i]) > widest)
			widest = strlen(table->cell[i]);
	return widest;
}

static void print_row(const struct table *table, size_t first)
{
	size_t blanks = 0; /* held back until something follows */

	for (size_t column = 0; column < table->count; column++) {
		const char *cell = table->cell[first + column];
		size_t rest = width_of(table, column) - strlen(cell);
		bool right = table->columns[column] == 'r';

		blanks += right ? rest : 0;
		if (*cell) {
			printf("%*s%s", (int)blanks, "", cell);
			blanks = 0;
		}
		blanks += (right ? 0 : rest) + 2;
	}
	putchar('\n');
}

void table_print(struct table *table)
{
	for (size_t first = 0; first < table->cells; first += table->count)
		print_row(table, first);
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->cells; i++)
		free(table->cell[i]);
	free(table->cell);
	free(table);
}
