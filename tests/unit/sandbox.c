// SPDX-License-Identifier: BSD-2-Clause
/* What a process in the sandbox may do, asked of the kernel in a child for each row. */
#include "test.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/sandbox.h"

static int open_file(void)
{
	return open("/dev/null", O_RDONLY);
}

static int look_at_file(void)
{
	struct stat file;

	return stat("/", &file);
}

static int start_program(void)
{
	return execl("/bin/true", "true", NULL);
}

static int make_process(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	return child;
}

static int signal_parent(void)
{
	return kill(getppid(), 0);
}

static int signal_thread_of_parent(void)
{
	return tgkill(getppid(), getppid(), 0);
}

static int make_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int make_program_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

/* Of an address where nothing is: any other error says that the call was let in. */
static int give_memory_back(void)
{
	return madvise(NULL, 4096, MADV_DONTNEED) && errno == EPERM ? -1 : 0;
}

/* Also by a number that the kernel cuts to that one. */
static int empty_shared_memory(void)
{
	static const long advice[] = { MADV_REMOVE, 1L << 32 | MADV_REMOVE };

	for (size_t i = 0; i < LENGTH(advice); i++)
		if (!syscall(SYS_madvise, NULL, 4096, advice[i]) || errno != EPERM)
			return 0;
	return -1;
}

static int make_memory_writable(void)
{
	return mprotect(NULL, 4096, PROT_READ | PROT_WRITE) && errno == EPERM ? -1 : 0;
}

static int make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int make_socket6(void)
{
	return socket(AF_INET6, SOCK_STREAM, 0);
}

static int make_netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

/* On no descriptor: EBADF says that the call was let in. Likewise below. */
static int begin_to_listen(void)
{
	listen(-1, 1);
	return errno == EPERM ? -1 : 0;
}

static int write_map(void)
{
	int key = 0;

	bpf_map_update_elem(-1, &key, &key, BPF_ANY);
	return errno == EPERM ? -1 : 0;
}

static int read_map(void)
{
	int key = 0;

	bpf_map_lookup_elem(-1, &key, &key);
	return errno == EPERM ? -1 : 0;
}

static int make_map(void)
{
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "test", 4, 4, 1, NULL);
}

/* Of the kernel itself, as the vDSO does where it cannot read the host's clock. */
static int ask_for_time(void)
{
	struct timespec spec;
	struct timeval val;

	if (syscall(SYS_clock_gettime, CLOCK_REALTIME, &spec) || syscall(SYS_gettimeofday, &val, NULL))
		return -1;
#ifdef SYS_time
	return syscall(SYS_time, NULL) < 0 ? -1 : 0;
#else
	return 0;
#endif
}

/* On no descriptor, for which the kernel has EBADF when it was let in. */
static int may_ask(unsigned long request)
{
	return syscall(SYS_ioctl, -1, request, NULL) && errno == EPERM ? -1 : 0;
}

static int ask_what_waits(void)
{
	return may_ask(FIONREAD);
}

static int ask_what_is_acknowledged(void)
{
	return may_ask(SIOCOUTQ);
}

static int ask_whether_it_is_a_terminal(void)
{
	return may_ask(TCGETS);
}

/* Also by a number that the kernel cuts to that one. */
static int type_into_terminal(void)
{
	return may_ask(TIOCSTI) && may_ask(1UL << 32 | TIOCSTI) ? -1 : 0;
}

static int resize_terminal(void)
{
	return may_ask(TIOCSWINSZ);
}

static int take_terminal(void)
{
	return may_ask(TIOCSCTTY);
}

static int paste_into_terminal(void)
{
	return may_ask(TIOCLINUX);
}

static int ask_of_interface(void)
{
	return may_ask(SIOCGIFINDEX);
}

static int become_root(void)
{
	return setuid(0);
}

static const struct {
	const char *about;
	int (*attempt)(void);
	bool agent, worker;
} rows[] = {
	{ "open a file", open_file, false, false },
	{ "look at a file", look_at_file, true, false },
	{ "start a program", start_program, false, false },
	{ "make a process", make_process, false, false },
	{ "send a signal to another process", signal_parent, false, false },
	{ "or to its thread", signal_thread_of_parent, false, false },
	{ "become root again", become_root, false, false },
	{ "have memory", make_memory, true, true },
	{ "have memory that can be run", make_program_memory, true, false },
	{ "give memory back", give_memory_back, true, true },
	{ "empty memory that others share", empty_shared_memory, true, false },
	{ "write into memory that was sealed", make_memory_writable, false, false },
	{ "make a socket of IPv4", make_socket, true, true },
	{ "make a socket of IPv6", make_socket6, true, true },
	{ "make a socket that asks the kernel for other things", make_netlink_socket, true, false },
	{ "begin to listen", begin_to_listen, true, false },
	{ "write into a map", write_map, true, true },
	{ "read from a map", read_map, true, true },
	{ "make a map", make_map, false, false },
	{ "ask for the time", ask_for_time, true, true },
	{ "ask what waits to be read", ask_what_waits, true, true },
	{ "ask what is acknowledged", ask_what_is_acknowledged, true, true },
	{ "ask whether it is a terminal", ask_whether_it_is_a_terminal, true, true },
	{ "type into a terminal", type_into_terminal, false, false },
	{ "give a terminal another size", resize_terminal, false, false },
	{ "take a terminal", take_terminal, false, false },
	{ "paste into a terminal", paste_into_terminal, false, false },
	{ "ask for an interface", ask_of_interface, false, false },
};

/* Whether it was let in: a child's word. */
static bool may(enum sandbox_role role, int (*attempt)(void))
{
	pid_t child = fork();
	struct error error;
	int status;

	assert_true(child >= 0);
	if (!child) {
		if (sandbox_enter(role, &error)) {
			fprintf(stderr, "%s\n", error.text);
			_exit(2);
		}
		_exit(attempt() < 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

static void skip_where_it_says_nothing(void)
{
	const char *why = WATCHED ? "AddressSanitizer asks the kernel for more than the sandbox lets in" : NULL;

	if (geteuid())
		why = "only root can enter the sandbox";
	if (!why)
		return;
	print_message("skipped: %s\n", why);
	skip();
}

static void what_each_may_do(void **state)
{
	(void)state;
	skip_where_it_says_nothing();
	for (size_t i = 0; i < LENGTH(rows); i++) {
		check(may(SANDBOX_AGENT, rows[i].attempt) == rows[i].agent, rows[i].about);
		check(may(SANDBOX_WORKER, rows[i].attempt) == rows[i].worker, rows[i].about);
	}
}

static void abort_ends_a_worker(void **state)
{
	pid_t child;
	struct error error;
	int status;

	(void)state;
	skip_where_it_says_nothing();
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (sandbox_enter(SANDBOX_WORKER, &error))
			_exit(2);
		abort();
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_each_may_do),
		cmocka_unit_test(abort_ends_a_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
