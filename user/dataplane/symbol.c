// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the kernel's own functions are. A BPF program asks for one by its name: /proc/kallsyms is a list of more than a
 * hundred thousand lines, and to read it took longer than all the rest of a load.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/handle.h"
#include "rcxlb.skel.h"

#define NAME_WORDS 4 /* of eight bytes */
#define RESULT_AT  (-8 * (NAME_WORDS + 1))

#define INSN(code_, dst_, src_, off_, imm_)                                                                            \
	((struct bpf_insn){ .code = (code_), .dst_reg = (dst_), .src_reg = (src_), .off = (off_), .imm = (imm_) })

/* The name onto the stack, the helper, and what it found into the context. Returns the number of instructions. */
static size_t write_program(const uint64_t name[NAME_WORDS], size_t size, struct bpf_insn *insn)
{
	struct bpf_insn *at = insn;

	*at++ = INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0);
	for (int i = 0; i < NAME_WORDS; i++) {
		*at++ = INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, 0, 0, (int)(uint32_t)name[i]);
		*at++ = INSN(0, 0, 0, 0, (int)(uint32_t)(name[i] >> 32));
		*at++ = INSN(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_1, (short)(8 * (i - NAME_WORDS)), 0);
	}
	*at++ = INSN(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, RESULT_AT, 0);
	*at++ = INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_10, 0, 0);
	*at++ = INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, -8 * NAME_WORDS);
	*at++ = INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, (int)size);
	*at++ = INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 0);
	*at++ = INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_10, 0, 0);
	*at++ = INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, RESULT_AT);
	*at++ = INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_kallsyms_lookup_name);
	*at++ = INSN(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_10, RESULT_AT, 0);
	*at++ = INSN(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_6, BPF_REG_1, 0, 0);
	*at++ = INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
	*at++ = INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return (size_t)(at - insn);
}

uint64_t handle_symbol(const char *name)
{
	LIBBPF_OPTS(bpf_prog_load_opts, how, .prog_flags = BPF_F_SLEEPABLE);
	uint64_t words[NAME_WORDS] = {}, address = 0;
	struct bpf_insn insn[NAME_WORDS * 3 + 16];
	size_t size = strlen(name) + 1;
	int program, err;

	if (size > sizeof(words))
		return 0;
	memcpy(words, name, size);
	program = bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "symbol", "GPL", insn, write_program(words, size, insn), &how);
	if (program < 0)
		return 0;
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &address, .ctx_size_in = sizeof(address));
	err = bpf_prog_test_run_opts(program, &run);
	close(program);
	return err ? 0 : address;
}

void handle_tell_kernel(struct rcxlb_bpf *skel)
{
	skel->rodata->has_rdonly_cast = handle_symbol("bpf_rdonly_cast") != 0;
	skel->rodata->ep_poll_callback = handle_symbol("ep_poll_callback");
	skel->rodata->pollwake = handle_symbol("pollwake");
	skel->rodata->autoremove_wake_function = handle_symbol("autoremove_wake_function");
}
