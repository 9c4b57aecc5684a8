// SPDX-License-Identifier: BSD-2-Clause
#include "config/syntax.h"

#include <stdbool.h>
#include <string.h>

/* Where a line begins; lines from 0. */
static const char *line_start(const char *bytes, size_t size, size_t line)
{
	const char *at = bytes, *end = bytes + size;

	for (; line && at < end; line--) {
		const char *newline = memchr(at, '\n', end - at);

		at = newline ? newline + 1 : end;
	}
	return at;
}

/* The rest of a line from a column on, without blanks before it. Columns from 0, in characters. */
static void rest_of_line(const char *bytes, size_t size, size_t line, size_t column, char *to, size_t room)
{
	const char *at = line_start(bytes, size, line), *end = bytes + size;
	size_t length;

	for (; column && at < end && *at != '\n'; column--)
		for (at++; at < end && (*at & 0xc0) == 0x80; at++)
			;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	for (length = 0; at + length < end && at[length] && at[length] != '\n' && at[length] != '\r'; length++)
		;
	if (length >= room)
		length = room - 1;
	memcpy(to, at, length);
	to[length] = 0;
}

/* Is the first thing that is no space in a line a tab? */
static bool is_indented_by_tab(const char *bytes, size_t size, size_t line)
{
	const char *at = line_start(bytes, size, line), *end = bytes + size;

	while (at < end && *at == ' ')
		at++;
	return at < end && *at == '\t';
}

static uint32_t line_of_byte(const char *bytes, size_t size, size_t offset)
{
	uint32_t line = 1;

	for (size_t i = 0; i < offset && i < size; i++)
		line += bytes[i] == '\n';
	return line;
}

/* What could be meant by a word that begins with a character that YAML keeps for itself. */
static bool is_unquoted(const yaml_parser_t *parser, const char *problem, char first)
{
	const char *context = parser->context ? parser->context : "";

	if (strstr(context, "scanning an alias") || strstr(context, "scanning an anchor"))
		return true;
	return !strcmp(problem, "found character that cannot start any token") && first && strchr("@`%", first);
}

void syntax_mistake(const yaml_parser_t *parser, const char *bytes, size_t size, struct mistakes *mistakes)
{
	const yaml_mark_t *mark = &parser->problem_mark, *begin = &parser->context_mark;
	const char *problem = parser->problem ? parser->problem : "it cannot be read";
	bool has_context = parser->context && begin->line != mark->line;
	char text[64], from[64];

	if (parser->error == YAML_READER_ERROR) {
		mistake(mistakes, line_of_byte(bytes, size, parser->problem_offset), "bytes",
			"this is no UTF-8 text (%s); save the file as UTF-8", problem);
		return;
	}
	if (parser->context && strstr(parser->context, "scanning an a"))
		mark = begin;
	rest_of_line(bytes, size, mark->line, 0, text, sizeof(text));
	rest_of_line(bytes, size, mark->line, mark->column, from, sizeof(from));
	if (is_indented_by_tab(bytes, size, mark->line))
		mistake(mistakes, mark->line + 1, text, "the line is indented by a tab; YAML wants blanks there");
	else if (is_unquoted(parser, problem, from[0])) {
		from[strcspn(from, ",]} \t")] = 0;
		mistake(mistakes, mark->line + 1, from,
			"no value begins with '%c' without quotes around it; write it as \"%s\"", from[0], from);
	} else if (strstr(text, "::"))
		mistake(mistakes, mark->line + 1, text,
			"this is no YAML: %s; an IPv6 address is written in quotes, as \"[2001:db8::1]:80\"", problem);
	else if (strstr(problem, "mapping values are not allowed"))
		mistake(mistakes, mark->line + 1, text,
			"a key and its value cannot stand here; look at the indentation, and put a value that has a "
			"colon and a blank in it into quotes");
	else if (has_context)
		mistake(mistakes, mark->line + 1, text,
			"this is no YAML: %s in what begins in line %zu; look at the indentation, brackets and quotes "
			"from there on",
			problem, begin->line + 1);
	else
		mistake(mistakes, mark->line + 1, text,
			"this is no YAML: %s; look at the indentation, brackets and quotes here and above", problem);
}
