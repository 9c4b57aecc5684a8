// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a configuration file. They are refused with sentences that can be printed, or they are a configuration:
 * then what rcxlb config would print of it, as YAML and as JSON, is the same one.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/emit.h"
#include "config/read.h"
#include "core/diff.h"
#include "core/merge.h"

static struct config first, second;
static struct mistakes mistakes;

#define must(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "not so: %s\n", #condition);                                                   \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static void check_mistakes(void)
{
	must(mistakes.count && mistakes.count <= MISTAKES_MAX);
	for (uint32_t i = 0; i < mistakes.count; i++) {
		const struct mistake *one = &mistakes.entry[i];

		must(one->line && (!i || one->line >= mistakes.entry[i - 1].line));
		must(one->text[0] == '\'' && !strpbrk(one->text, "\n\r\t\033"));
	}
}

static void no_difference(const char *text, void *context)
{
	(void)context;
	fprintf(stderr, "a difference: %s\n", text);
	abort();
}

/* As they would be attached. */
static uint32_t attached(const struct xdp_wishes *wishes, struct rcxlb_interface *to)
{
	for (uint32_t i = 0; i < wishes->count; i++) {
		const struct xdp_wish *wish = &wishes->entry[i];

		to[i] = (struct rcxlb_interface){ .mode = wish->xdp == XDP_OFF	 ? RCXLB_XDP_NONE
							  : wish->xdp == XDP_SKB ? RCXLB_XDP_SKB
										 : RCXLB_XDP_NATIVE };
		memcpy(to[i].name, wish->name, sizeof(to[i].name));
	}
	return wishes->count;
}

static void check_same(const char *text, size_t size, const struct rcxlb_interface *interface, uint32_t count)
{
	static struct model merged;
	struct error error;

	must(!config_read(text, size, &second, &mistakes));
	must(!model_merge(&first.model, &second.model, &merged, &error));
	must(!memcmp(&merged, &first.model, sizeof(merged)));
	must(!model_diff(&first.model, &second.model, no_difference, NULL));
	must(!xdp_diff(interface, count, &second.interfaces, no_difference, NULL));
}

static void check_printed(void)
{
	struct rcxlb_interface interface[RCXLB_MAX_INTERFACES];
	uint32_t count = attached(&first.interfaces, interface);
	json_t *tree = config_tree(&first.model, interface, count);
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	must(tree && to);
	must(!config_write_yaml(tree, to));
	fclose(to);
	if (size <= 1024 * 1024) /* a file of as many backends as fit may be short where the print is long */
		check_same(text, size, interface, count);
	free(text);
	text = json_dumps(tree, JSON_COMPACT | JSON_REAL_PRECISION(6));
	must(text);
	if (strlen(text) <= 1024 * 1024)
		check_same(text, strlen(text), interface, count);
	free(text);
	json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	int err = config_read((const char *)bytes, size, &first, &mistakes);

	must(!err || err == -EBADMSG || err == -ENOMEM);
	if (err == -EBADMSG)
		check_mistakes();
	if (!err)
		check_printed();
	return 0;
}
