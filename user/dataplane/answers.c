// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/answers.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define ANSWERS_BYTES (RCXLB_ANSWERS_KEY(RCXLB_MAX_SERVICES, 0) * sizeof(struct rcxlb_answers))

_Static_assert(sizeof(struct rcxlb_answers) % sizeof(__u64) == 0, "the kernel rounds entries of an array up");

struct rcxlb_answers *answers_map(const struct dataplane *dataplane, bool write)
{
	void *memory =
	    mmap(NULL, ANSWERS_BYTES, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, dataplane->map[MAP_answers], 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void answers_unmap(const struct rcxlb_answers *answers)
{
	if (answers)
		munmap((void *)answers, ANSWERS_BYTES);
}

int answers_clear_service(const struct dataplane *dataplane, uint32_t service)
{
	struct rcxlb_answers *answers = answers_map(dataplane, true);

	if (!answers)
		return -ENOMEM;
	memset(&answers[RCXLB_ANSWERS_KEY(service, 0)], 0, RCXLB_MAX_BACKENDS * sizeof(*answers));
	answers_unmap(answers);
	return 0;
}

int answers_clear_backend(const struct dataplane *dataplane, uint32_t backend)
{
	struct rcxlb_answers *answers = answers_map(dataplane, true);

	if (!answers)
		return -ENOMEM;
	for (uint32_t service = 0; service < RCXLB_MAX_SERVICES; service++)
		memset(&answers[RCXLB_ANSWERS_KEY(service, backend)], 0, sizeof(*answers));
	answers_unmap(answers);
	return 0;
}
