// SPDX-License-Identifier: BSD-2-Clause
/* Walks the file's tree along the schema; what a value means by itself is in draft.c, and together in build.c. */
#include "config/read.h"

#include <errno.h>
#include <string.h>

#include "config/build.h"
#include "config/draft.h"
#include "config/schema.h"
#include "config/tree.h"
#include "core/number.h"
#include "core/version.h"

static void read_section(const char *section, const struct tree_node *node, struct draft_head *to,
			 struct mistakes *mistakes);

static const char *kind_name(enum tree_kind kind)
{
	return kind == TREE_TEXT ? "a single value" : kind == TREE_LIST ? "a list" : "a mapping";
}

static const char *example_of(const struct config_key *key)
{
	switch (key->kind) {
	case CONFIG_TEXTS:
		return "a list, as [\"*:80\"]";
	case CONFIG_SECTIONS:
		return "a list, each entry on a line that begins with '- '";
	case CONFIG_SECTION:
	case CONFIG_PAIRS:
		return "a mapping, as {KEY: VALUE}";
	default:
		return "a single value";
	}
}

/* Is there a value, and of this kind? A key without one has an empty text. */
static bool is_kind(const struct config_key *key, const struct tree_node *node, enum tree_kind kind,
		    struct mistakes *mistakes)
{
	if (node->kind == kind && (kind != TREE_TEXT || node->text[0]))
		return true;
	if (node->kind == TREE_TEXT && !node->text[0])
		mistake(mistakes, node->line, key->name, "there is no value; give it one, or take the key out");
	else
		mistake(mistakes, node->line, key->name, "it is %s here; it must be %s", kind_name(node->kind),
			example_of(key));
	return false;
}

static void put(const struct config_key *key, struct draft_head *section, unsigned long number)
{
	uint16_t two = number;
	uint32_t four = number;
	uint64_t eight = number;
	bool flag = number;
	const void *from = key->width == sizeof(two)	? (const void *)&two
			   : key->width == sizeof(four) ? (const void *)&four
							: &eight;

	memcpy((char *)section + key->offset, key->kind == CONFIG_FLAG ? &flag : from, key->width);
}

static bool has_zeros(const struct tree_node *node, struct mistakes *mistakes)
{
	struct error error;

	if (!draft_has_zeros(node->text, &error))
		return false;
	mistake_from(mistakes, node->line, node->text, &error);
	return true;
}

static bool is_in_ms(const struct config_key *key)
{
	size_t length = strlen(key->name);

	return length > 3 && !strcmp(key->name + length - 3, "_ms");
}

static void take_number(const struct config_key *key, const struct tree_node *node, struct draft_head *to,
			struct mistakes *mistakes)
{
	unsigned long number;

	if (has_zeros(node, mistakes))
		return;
	if (!number_parse(node->text, key->least, key->most, &number))
		put(key, to, number);
	else
		mistake(mistakes, node->line, node->text, "%s is a number%s from %lu to %lu, without a unit", key->name,
			is_in_ms(key) ? " of milliseconds" : "", key->least, key->most);
}

static void take_factor(const struct config_key *key, const struct tree_node *node, struct draft_head *to,
			struct mistakes *mistakes)
{
	unsigned long number;

	if (has_zeros(node, mistakes))
		return;
	if (!number_parse_hundredths(node->text, key->least, key->most, &number))
		put(key, to, number);
	else
		mistake(mistakes, node->line, node->text, "%s is a factor from %.2f to %.2f, as 1.25", key->name,
			key->least / 100.0, key->most / 100.0);
}

static void take_flag(const struct config_key *key, const struct tree_node *node, struct draft_head *to,
		      struct mistakes *mistakes)
{
	bool on = !strcmp(node->text, "true");

	if (on || !strcmp(node->text, "false"))
		put(key, to, on);
	else
		mistake(mistakes, node->line, node->text, "%s is true or false", key->name);
}

static void take_text(const struct config_key *key, const struct tree_node *node, struct draft_head *to,
		      struct mistakes *mistakes)
{
	struct draft_value value = { .text = node->text, .line = node->line };
	struct error error;

	if (key->take(&value, to, &error))
		mistake_from(mistakes, node->line, node->text, &error);
}

static void take_texts(const struct config_key *key, const struct tree_node *node, struct draft_head *to,
		       struct mistakes *mistakes)
{
	if (key->single && node->kind == TREE_TEXT && node->text[0]) {
		take_text(key, node, to, mistakes);
		return;
	}
	if (!is_kind(key, node, TREE_LIST, mistakes))
		return;
	if (!node->first)
		mistake(mistakes, node->line, key->name, "the list is empty; it needs at least one entry");
	for (const struct tree_node *entry = node->first; entry && !mistakes->more; entry = entry->next) {
		if (entry->kind == TREE_TEXT && entry->text[0])
			take_text(key, entry, to, mistakes);
		else
			mistake(mistakes, entry->line, key->name,
				"an entry of the list is %s; it must be a text, in quotes when it has '*' or '[' in it",
				entry->kind == TREE_TEXT ? "empty" : kind_name(entry->kind));
	}
}

static void take_pairs(const struct config_key *key, const struct tree_node *node, struct draft_head *to,
		       struct mistakes *mistakes)
{
	struct error error;

	if (!is_kind(key, node, TREE_MAPPING, mistakes))
		return;
	for (const struct tree_node *entry = node->first; entry && !mistakes->more; entry = entry->next) {
		struct draft_value value = { entry->key->text, entry->text, entry->line };

		if (entry->key->kind != TREE_TEXT || entry->kind != TREE_TEXT)
			mistake(mistakes, entry->line, key->name,
				"a name and its value are single values, as in {NAME: VALUE}; one is %s here",
				kind_name(entry->kind != TREE_TEXT ? entry->kind : entry->key->kind));
		else if (key->take(&value, to, &error))
			mistake_from(mistakes, entry->line, value.name, &error);
	}
}

static void take_scalar(const struct config_key *key, const struct tree_node *node, struct draft_head *to,
			struct mistakes *mistakes)
{
	if (!is_kind(key, node, TREE_TEXT, mistakes))
		return;
	if (key->kind == CONFIG_NUMBER)
		take_number(key, node, to, mistakes);
	else if (key->kind == CONFIG_FACTOR)
		take_factor(key, node, to, mistakes);
	else if (key->kind == CONFIG_FLAG)
		take_flag(key, node, to, mistakes);
	else
		take_text(key, node, to, mistakes);
}

/* One section of a list, or the only one; as a mapping, or as the one text that it can be short for. */
static bool is_bare(const struct config_key *key, const struct tree_node *node)
{
	return key->bare && node->kind == TREE_TEXT && node->text[0];
}

static void take_section(const struct config_key *key, const struct tree_node *node, struct draft_head *parent,
			 struct mistakes *mistakes)
{
	bool bare = is_bare(key, node);
	const struct config_key *only;
	char path[CONFIG_PATH_LEN];
	struct draft_head *section;
	struct error error;

	if (!bare && node->kind != TREE_MAPPING) {
		mistake(mistakes, node->line, key->name, "an entry is %s here; it must be a mapping, as {%s: VALUE}",
			node->kind == TREE_TEXT && !node->text[0] ? "empty" : kind_name(node->kind),
			key->bare ? key->bare : "KEY");
		return;
	}
	section = key->open(parent, &error);
	if (!section) {
		mistake_from(mistakes, node->line, key->name, &error);
		return;
	}
	config_key_path(key, path);
	if (!bare) {
		read_section(path, node, section, mistakes);
		return;
	}
	only = config_key_find(path, key->bare);
	section->line = node->line;
	section->key_line[config_key_place(only)] = node->line;
	take_scalar(only, node, section, mistakes);
}

static void take_sections(const struct config_key *key, const struct tree_node *node, struct draft_head *to,
			  struct mistakes *mistakes)
{
	if (key->single && node->kind == TREE_MAPPING) {
		take_section(key, node, to, mistakes);
		return;
	}
	if (!is_kind(key, node, TREE_LIST, mistakes))
		return;
	if (!node->first && key->single)
		mistake(mistakes, node->line, key->name, "the list is empty; give it an entry, or take the key out");
	for (const struct tree_node *entry = node->first; entry && !mistakes->more; entry = entry->next)
		take_section(key, entry, to, mistakes);
}

static void take_value(const struct config_key *key, const struct tree_node *node, struct draft_head *to,
		       struct mistakes *mistakes)
{
	switch (key->kind) {
	case CONFIG_LATER:
		mistake(mistakes, node->key->line, key->name, "rcxlb %s does not have this yet (%s); take it out",
			rcxlb_version, key->purpose);
		break;
	case CONFIG_TEXTS:
		take_texts(key, node, to, mistakes);
		break;
	case CONFIG_SECTIONS:
		take_sections(key, node, to, mistakes);
		break;
	case CONFIG_PAIRS:
		take_pairs(key, node, to, mistakes);
		break;
	case CONFIG_SECTION:
		if (is_bare(key, node) || is_kind(key, node, TREE_MAPPING, mistakes))
			take_section(key, node, to, mistakes);
		break;
	default:
		take_scalar(key, node, to, mistakes);
	}
}

static void say_unknown(const char *section, const char *name, uint32_t line, struct mistakes *mistakes)
{
	const char *nearest = config_key_nearest(section, name);
	const struct config_key *keys;
	char known[256] = "";
	uint32_t count;

	if (nearest) {
		mistake(mistakes, line, name, "there is no such key in %s; did you mean '%s'?",
			section[0] ? section : "the file", nearest);
		return;
	}
	keys = config_keys(&count);
	for (uint32_t i = 0; i < count; i++)
		if (!strcmp(keys[i].section, section) && keys[i].kind != CONFIG_LATER &&
		    strlen(known) + strlen(keys[i].name) + 3 < sizeof(known))
			strcat(strcat(known, known[0] ? ", " : ""), keys[i].name);
	mistake(mistakes, line, name, "there is no such key in %s; there is: %s", section[0] ? section : "the file",
		known);
}

static void say_missing(const char *section, const struct draft_head *head, struct mistakes *mistakes)
{
	const struct config_key *keys;
	uint32_t count;

	keys = config_keys(&count);
	for (uint32_t i = 0; i < count; i++)
		if (!strcmp(keys[i].section, section) && keys[i].needed && !head->key_line[config_key_place(&keys[i])])
			mistake(mistakes, head->line, keys[i].name, "it is missing in %s; add it: %s",
				section[0] ? section : "the file", keys[i].values);
}

static void read_key(const char *section, const struct tree_node *node, struct draft_head *to,
		     struct mistakes *mistakes)
{
	const struct config_key *key;
	uint32_t *line;

	if (node->key->kind != TREE_TEXT) {
		mistake(mistakes, node->key->line, "key", "it is %s here; a key is a word", kind_name(node->key->kind));
		return;
	}
	key = config_key_find(section, node->key->text);
	if (!key) {
		say_unknown(section, node->key->text, node->key->line, mistakes);
		return;
	}
	line = &to->key_line[config_key_place(key)];
	if (*line) {
		mistake(mistakes, node->key->line, key->name,
			"the key is there already, in line %u; it can be there once", *line);
		return;
	}
	*line = node->key->line;
	take_value(key, node, to, mistakes);
}

static void read_section(const char *section, const struct tree_node *node, struct draft_head *to,
			 struct mistakes *mistakes)
{
	to->line = node->line;
	for (const struct tree_node *value = node->first; value && !mistakes->more; value = value->next)
		read_key(section, value, to, mistakes);
	say_missing(section, to, mistakes);
}

static void read_tree(const struct tree *tree, struct draft *draft, struct mistakes *mistakes)
{
	const struct tree_node *root = tree->root;

	if (!root || (root->kind == TREE_TEXT && !root->text[0]))
		mistake(mistakes, 1, "file", "it is empty; it needs services, as rcxlb config prints them");
	else if (root->kind != TREE_MAPPING)
		mistake(mistakes, root->line, root->kind == TREE_TEXT ? root->text : "file",
			"the file is %s; it must be a mapping, with services: and other keys at the beginning of lines",
			kind_name(root->kind));
	else
		read_section("", root, &draft->head, mistakes);
}

int config_read(const char *bytes, size_t size, struct config *ret, struct mistakes *mistakes)
{
	struct draft *draft = draft_new();
	struct tree tree = {};
	int err = draft ? 0 : -ENOMEM;

	*mistakes = (struct mistakes){};
	if (!err)
		err = tree_parse(bytes, size, &tree, mistakes);
	if (!err) {
		read_tree(&tree, draft, mistakes);
		config_build(draft, ret, mistakes);
	}
	tree_free(&tree);
	draft_free(draft);
	mistakes_sort(mistakes);
	return err ? err : mistakes->count ? -EBADMSG : 0;
}
