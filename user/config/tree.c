// SPDX-License-Identifier: BSD-2-Clause
#include "config/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config/syntax.h"

/* Everything that a tree is made of, in the order of its making. */
struct tree_block {
	struct tree_block *next;
	struct tree_node node;
	char text[];
};

struct anchor {
	const char *name;
	const struct tree_node *node;
};

struct builder {
	yaml_parser_t parser;
	const char *bytes;
	size_t size;
	struct tree *tree;
	struct mistakes *mistakes;
	uint32_t nodes;
	uint32_t anchors;
	struct anchor anchor[TREE_MOST_ANCHORS];
};

/* Copies the text, when there is one. NULL: out of memory. */
static struct tree_node *new_node(struct builder *builder, enum tree_kind kind, uint32_t line, const char *text)
{
	size_t length = text ? strlen(text) : 0;
	struct tree_block *block = malloc(sizeof(*block) + length + 1);

	if (!block)
		return NULL;
	memcpy(block->text, text ? text : "", length);
	block->text[length] = 0;
	block->node = (struct tree_node){ .kind = kind, .line = line, .size = 1, .text = block->text };
	block->next = builder->tree->blocks;
	builder->tree->blocks = block;
	return &block->node;
}

static int next_event(struct builder *builder, yaml_event_t *event)
{
	if (yaml_parser_parse(&builder->parser, event))
		return 0;
	if (builder->parser.error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	syntax_mistake(&builder->parser, builder->bytes, builder->size, builder->mistakes);
	return -EBADMSG;
}

static int take_in(struct builder *builder, uint32_t line, uint32_t nodes)
{
	builder->nodes += nodes;
	if (builder->nodes <= TREE_MOST_NODES)
		return 0;
	mistake(builder->mistakes, line, "size", "the file says more than %d things; it cannot be a configuration",
		TREE_MOST_NODES);
	return -EBADMSG;
}

static int remember(struct builder *builder, const char *name, const struct tree_node *node)
{
	struct tree_node *copy;

	if (!name)
		return 0;
	if (builder->anchors == TREE_MOST_ANCHORS) {
		mistake(builder->mistakes, node->line, name, "there are more than %d anchors; write values out",
			TREE_MOST_ANCHORS);
		return -EBADMSG;
	}
	copy = new_node(builder, TREE_TEXT, node->line, name);
	if (!copy)
		return -ENOMEM;
	builder->anchor[builder->anchors++] = (struct anchor){ copy->text, node };
	return 0;
}

/* The node once more; what is below it is shared. An anchor can be used once it is complete, so there are no circles.
 */
static int take_alias(struct builder *builder, const char *name, uint32_t line, struct tree_node **ret)
{
	for (uint32_t i = builder->anchors; i-- > 0;) {
		const struct tree_node *node = builder->anchor[i].node;
		int err;

		if (strcmp(builder->anchor[i].name, name))
			continue;
		err = take_in(builder, line, node->size);
		if (err)
			return err;
		*ret = new_node(builder, node->kind, line, NULL);
		if (!*ret)
			return -ENOMEM;
		(*ret)->size = node->size;
		(*ret)->text = node->text;
		(*ret)->first = node->first;
		return 0;
	}
	mistake(builder->mistakes, line, name,
		"there is no anchor &%s above; a value that begins with '*' is written in quotes", name);
	return -EBADMSG;
}

static int take_scalar(struct builder *builder, const yaml_event_t *event, uint32_t line, struct tree_node **ret)
{
	const char *text = (const char *)event->data.scalar.value;

	if (strlen(text) != event->data.scalar.length) {
		mistake(builder->mistakes, line, text, "a byte of value 0 is in this text; remove it");
		return -EBADMSG;
	}
	/* What YAML calls null is a value that is not there. */
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (!strcmp(text, "~") || !strcmp(text, "null")))
		text = "";
	*ret = new_node(builder, TREE_TEXT, line, text);
	return *ret ? remember(builder, (const char *)event->data.scalar.anchor, *ret) : -ENOMEM;
}

static int take_node(struct builder *builder, const yaml_event_t *event, unsigned int depth, struct tree_node **ret);

/* The event's node; takes the event. */
static int take_and_delete(struct builder *builder, yaml_event_t *event, unsigned int depth, struct tree_node **ret)
{
	int err = take_node(builder, event, depth, ret);

	yaml_event_delete(event);
	return err;
}

/* What is in a list or mapping, up to its end. */
static int take_children(struct builder *builder, struct tree_node *parent, unsigned int depth)
{
	const struct tree_node **tail = &parent->first;

	for (;;) {
		struct tree_node *key = NULL, *value;
		yaml_event_t event;
		int err = next_event(builder, &event);

		if (err)
			return err;
		if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&event);
			return 0;
		}
		if (parent->kind == TREE_MAPPING) {
			err = take_and_delete(builder, &event, depth, &key);
			if (!err)
				err = next_event(builder, &event);
			if (err)
				return err;
		}
		err = take_and_delete(builder, &event, depth, &value);
		if (err)
			return err;
		value->key = key;
		parent->size += value->size + (key ? key->size : 0);
		*tail = value;
		tail = &value->next;
	}
}

static int take_collection(struct builder *builder, enum tree_kind kind, const char *anchor, uint32_t line,
			   unsigned int depth, struct tree_node **ret)
{
	int err;

	if (depth == TREE_MOST_DEPTH) {
		mistake(builder->mistakes, line, "depth", "lists and mappings are nested more than %d deep",
			TREE_MOST_DEPTH);
		return -EBADMSG;
	}
	*ret = new_node(builder, kind, line, NULL);
	err = *ret ? take_children(builder, *ret, depth + 1) : -ENOMEM;
	return err ? err : remember(builder, anchor, *ret);
}

static int refuse_tag(struct builder *builder, const yaml_char_t *tag, uint32_t line)
{
	if (!tag)
		return 0;
	mistake(builder->mistakes, line, (const char *)tag, "tags have no meaning here; remove it");
	return -EBADMSG;
}

static int take_node(struct builder *builder, const yaml_event_t *event, unsigned int depth, struct tree_node **ret)
{
	uint32_t line = event->start_mark.line + 1;
	int err;

	if (event->type == YAML_ALIAS_EVENT)
		return take_alias(builder, (const char *)event->data.alias.anchor, line, ret);
	err = take_in(builder, line, 1);
	if (err)
		return err;
	if (event->type == YAML_SCALAR_EVENT) {
		err = refuse_tag(builder, event->data.scalar.tag, line);
		return err ? err : take_scalar(builder, event, line, ret);
	}
	if (event->type == YAML_SEQUENCE_START_EVENT) {
		err = refuse_tag(builder, event->data.sequence_start.tag, line);
		return err ? err
			   : take_collection(builder, TREE_LIST, (const char *)event->data.sequence_start.anchor, line,
					     depth, ret);
	}
	err = refuse_tag(builder, event->data.mapping_start.tag, line);
	return err ? err
		   : take_collection(builder, TREE_MAPPING, (const char *)event->data.mapping_start.anchor, line, depth,
				     ret);
}

static int take_stream(struct builder *builder)
{
	struct tree_node *root = NULL;
	yaml_event_t event;
	int err = 0;

	for (bool end = false; !end && !err;) {
		err = next_event(builder, &event);
		if (err)
			return err;
		end = event.type == YAML_STREAM_END_EVENT;
		if (event.type == YAML_DOCUMENT_START_EVENT && root) {
			mistake(builder->mistakes, event.start_mark.line + 1, "---",
				"a second document begins here; a configuration is one");
			err = -EBADMSG;
		}
		if (!err && (event.type == YAML_SCALAR_EVENT || event.type == YAML_SEQUENCE_START_EVENT ||
			     event.type == YAML_MAPPING_START_EVENT || event.type == YAML_ALIAS_EVENT))
			err = take_node(builder, &event, 0, &root);
		yaml_event_delete(&event);
	}
	builder->tree->root = root;
	return err;
}

int tree_parse(const char *bytes, size_t size, struct tree *ret, struct mistakes *mistakes)
{
	struct builder *builder;
	int err = -ENOMEM;

	*ret = (struct tree){};
	if (size > TREE_MOST_BYTES) {
		mistake(mistakes, 1, "size", "the file has %zu bytes, and a configuration at most %d", size,
			TREE_MOST_BYTES);
		return -EBADMSG;
	}
	builder = calloc(1, sizeof(*builder));
	if (!builder)
		return -ENOMEM;
	builder->bytes = bytes;
	builder->size = size;
	builder->tree = ret;
	builder->mistakes = mistakes;
	if (yaml_parser_initialize(&builder->parser)) {
		yaml_parser_set_input_string(&builder->parser, (const unsigned char *)bytes, size);
		err = take_stream(builder);
		yaml_parser_delete(&builder->parser);
	}
	free(builder);
	return err;
}

void tree_free(struct tree *tree)
{
	while (tree->blocks) {
		struct tree_block *next = tree->blocks->next;

		free(tree->blocks);
		tree->blocks = next;
	}
	tree->root = NULL;
}
