// SPDX-License-Identifier: BSD-2-Clause
#include "agent/sandbox.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The lists end with this. */
#define END (-1)

/*
 * What a worker does without end: it accepts, connects, reads and writes, and asks for memory and the time: by the
 * kernel itself where the vDSO cannot read the host's clock, or there is none. The agent does all of this too.
 */
static const int common_calls[] = {
	SCMP_SYS(accept4),
	SCMP_SYS(bind),
	SCMP_SYS(brk),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(close),
	SCMP_SYS(connect),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(exit_group),
	SCMP_SYS(futex),
	SCMP_SYS(getpeername),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(gettid),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(setsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(time),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	END,
};

/*
 * Of ioctl(2), both of them: how much waits to be read (libevent) or is not yet acknowledged, and whether this is a
 * terminal (libc). Others would type into one that was inherited (TIOCSTI), or change devices.
 */
static const int common_requests[] = { FIONREAD, SIOCOUTQ, TCGETS, END };

/*
 * What libc, libevent and the agent call beside these. Files are not among them: what stands here works on descriptors
 * that are open, and makes sockets.
 */
static const int agent_calls[] = {
	SCMP_SYS(accept),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(eventfd2),
	SCMP_SYS(exit),
	SCMP_SYS(fcntl),
	SCMP_SYS(flock),
	SCMP_SYS(fstat),
	SCMP_SYS(listen),
	SCMP_SYS(lseek),
	SCMP_SYS(madvise),
	SCMP_SYS(mmap),
	SCMP_SYS(nanosleep),
	SCMP_SYS(newfstatat),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(socket),
	SCMP_SYS(tgkill),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	END,
};

/* Of bpf(2): to use maps and iterators that are open. */
static const int agent_bpf[] = {
	BPF_MAP_LOOKUP_ELEM,
	BPF_MAP_UPDATE_ELEM,
	BPF_MAP_DELETE_ELEM,
	BPF_MAP_GET_NEXT_KEY,
	BPF_ITER_CREATE,
	BPF_OBJ_GET_INFO_BY_FD,
	END,
};

static const int worker_bpf[] = { BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, END };

/* Memory that is given back or kept out of dumps; it cannot be emptied for those that it is shared with. */
static const int worker_advice[] = { MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_DONTDUMP, END };

static const int worker_families[] = { AF_INET, AF_INET6, AF_UNIX /* the log */, END };

static int permit_calls(scmp_filter_ctx filter, const int *calls)
{
	int err = 0;

	for (; *calls != END && !err; calls++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, *calls, 0);
	return err;
}

/* The call, if this argument, from 0, is one of these: all of its bits, of which the kernel may look at some. */
static int permit_only(scmp_filter_ctx filter, int call, unsigned int argument, const int *values)
{
	int err = 0;

	for (; *values != END && !err; values++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
				       SCMP_CMP32(argument, SCMP_CMP_EQ, (unsigned int)*values));
	return err;
}

static int permit_common(scmp_filter_ctx filter)
{
	int err = permit_calls(filter, common_calls);

	return err ? err : permit_only(filter, SCMP_SYS(ioctl), 1, common_requests);
}

/* Memory that is no program, and a signal to itself: abort(). */
static int permit_worker(scmp_filter_ctx filter)
{
	const int self[] = { getpid(), END };
	int err = permit_common(filter);

	if (!err)
		err = permit_only(filter, SCMP_SYS(bpf), 0, worker_bpf);
	if (!err)
		err = permit_only(filter, SCMP_SYS(madvise), 2, worker_advice);
	if (!err)
		err = permit_only(filter, SCMP_SYS(socket), 0, worker_families);
	if (!err)
		err = permit_only(filter, SCMP_SYS(tgkill), 0, self);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return err;
}

static int permit_agent(scmp_filter_ctx filter)
{
	int err = permit_common(filter);

	if (!err)
		err = permit_calls(filter, agent_calls);
	return err ? err : permit_only(filter, SCMP_SYS(bpf), 0, agent_bpf);
}

static int filter_calls(enum sandbox_role role, struct error *error)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return failed(error, -ENOMEM, "out of memory");
	err = role == SANDBOX_WORKER ? permit_worker(filter) : permit_agent(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err ? failed_in_kernel(error, err, "cannot restrict the process's system calls: %s", strerror(-err)) : 0;
}

static int set_capabilities(uint64_t permitted_set, uint64_t effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = effective, .permitted = permitted_set },
		{ .effective = effective >> 32, .permitted = permitted_set >> 32 },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int sandbox_drop_capabilities(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return set_capabilities(0, 0);
}

static const struct passwd *look_up_user(void)
{
	const struct passwd *user = getpwnam(SANDBOX_USER);

	return user ? user : getpwnam(SANDBOX_OTHERWISE);
}

bool sandbox_user_is(uid_t uid)
{
	const struct passwd *user = look_up_user();

	return user && user->pw_uid == uid;
}

static int change_user(struct error *error)
{
	const struct passwd *user = look_up_user();

	if (!user)
		return failed(error, -ENOENT,
			      "there is no user '" SANDBOX_USER "' and no '" SANDBOX_OTHERWISE
			      "' to run the agent as; make one: useradd --system " SANDBOX_USER);
	if (setgroups(0, NULL) || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid))
		return failed_in_kernel(error, -errno, "cannot become the user '%s': %s", user->pw_name,
					strerror(errno));
	return 0;
}

/* Before Linux 5.19 bpf(2) as a whole needs it, unless the host lets everybody use it. */
static bool needs_cap_bpf(void)
{
	struct bpf_map_info info;
	__u32 size = sizeof(info);

	/* No such descriptor: whoever is asked about it was let in. */
	return bpf_obj_get_info_by_fd(-1, &info, &size) == -EPERM;
}

/* None; or CAP_BPF where the agent could not work without. */
static int give_up_capabilities(struct error *error)
{
	uint64_t kept = 1ull << CAP_BPF;
	int err = set_capabilities(kept, 0);

	if (!err && !needs_cap_bpf())
		kept = 0;
	if (!err)
		err = set_capabilities(kept, kept);
	return err ? failed_in_kernel(error, err, "cannot give up capabilities: %s", strerror(-err)) : 0;
}

int sandbox_enter(enum sandbox_role role, struct error *error)
{
	int err;

	for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); /* one that the kernel does not know is not there */
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	err = change_user(error);
	if (!err)
		err = give_up_capabilities(error);
	if (err)
		return err;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return failed_in_kernel(error, -errno, "cannot forbid new privileges: %s", strerror(errno));
	return filter_calls(role, error);
}
