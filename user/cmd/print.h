/* SPDX-License-Identifier: BSD-2-Clause */
/* Printing JSON, and tables for people. */
#ifndef CMD_PRINT_H
#define CMD_PRINT_H

#include <jansson.h>

/* Prints it on one line and frees it. 0, or -ENOMEM when it is NULL, or -errno. */
int print_json(json_t *json);

/*
 * Rows whose columns are as wide as they need be: `columns` has l (left) or r (right) for each; the first row is the
 * heading. Cells are copied.
 */
struct table;
struct table *table_new(const char *columns);
void table_row(struct table *table, ...); /* a text for each column */
void table_print(struct table *table);
void table_free(struct table *table);

#endif
