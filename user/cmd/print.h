/* SPDX-License-Identifier: BSD-2-Clause */
/* Printing JSON, and tables for people. */
#ifndef CMD_PRINT_H
#define CMD_PRINT_H

#include <jansson.h>

/* Prints it on one line and frees it. 0, or -ENOMEM when it is NULL, or -errno. */
int print_json(json_t *json);

/*
 * Prints rows as columns that are as wide as they need be: `columns` is a format of l (left) and r (right) for each, the
 * first row is the heading. Cells are copied.
 */
struct table;
struct table *table_new(const char *columns);
void table_row(struct table *table, ...); /* a text for each column */
void table_print(struct table *table);
void table_free(struct table *table);

#endif
