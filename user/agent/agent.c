// SPDX-License-Identifier: BSD-2-Clause
#include "agent/agent.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/journal.h"
#include "agent/keeper.h"
#include "agent/log.h"
#include "agent/notify.h"
#include "agent/presence.h"
#include "agent/sandbox.h"
#include "agent/supervisor.h"
#include "core/version.h"

struct agent {
	struct event_base *base;
	struct journal *journal;
	struct keeper *keeper;
	struct event *signals[3];
	struct event *watchdog;
	struct event *ended; /* the supervisor has */
	int lock;
	struct supervision supervisor; /* of the workers */
	int manager;		       /* of services, -1: none */
	bool foreground;
	bool abandoned; /* ends because the supervisor did */
};

static void on_signal(evutil_socket_t number, short what, void *context)
{
	(void)number;
	(void)what;
	event_base_loopbreak(context);
}

static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
	const struct agent *agent = context;

	(void)fd;
	(void)what;
	notify_send(agent->manager, "WATCHDOG=1");
}

/*
 * SIGHUP is a terminal that is gone, where there may be one. Elsewhere somebody sends it who wants files to be read
 * anew: they are, without it, and the agent must not end.
 */
static int add_signals(struct agent *agent)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
	int count = agent->foreground && agent->manager < 0 ? 3 : 2;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	for (int i = 0; i < count; i++) {
		agent->signals[i] = evsignal_new(agent->base, numbers[i], on_signal, agent->base);
		if (!agent->signals[i] || event_add(agent->signals[i], NULL))
			return -ENOMEM;
	}
	return 0;
}

/* Half as often as the manager loses patience. */
static int add_watchdog(struct agent *agent)
{
	uint64_t us = notify_watchdog_us() / 2;
	struct timeval period = { us / 1000000, us % 1000000 };

	if (!us || agent->manager < 0)
		return 0;
	agent->watchdog = event_new(agent->base, -1, EV_PERSIST, on_watchdog, agent);
	return !agent->watchdog || event_add(agent->watchdog, &period) ? -ENOMEM : 0;
}

/*
 * It should not have. A service manager starts both again; where there is none, checks and metrics go on, which is more
 * than there would be without.
 */
static void on_supervisor_ended(evutil_socket_t fd, short what, void *context)
{
	static const char sentence[] = "the supervisor of the workers died: those that die are not replaced, and new "
				       "certificates not read";
	struct agent *agent = context;

	(void)fd;
	(void)what;
	journal_write(agent->journal, json_pack("{s:s, s:s}", "event", "error", "error", sentence),
		      agent->foreground ? "%s" : "%s; start both again: rcxlb load INTERFACE", sentence);
	agent->abandoned = agent->foreground;
	if (agent->abandoned)
		event_base_loopbreak(agent->base);
}

static int watch_supervisor(struct agent *agent)
{
	if (agent->supervisor.ended < 0)
		return 0;
	agent->ended = event_new(agent->base, agent->supervisor.ended, EV_READ, on_supervisor_ended, agent);
	return !agent->ended || event_add(agent->ended, NULL) ? -ENOMEM : 0;
}

/* Each check that is under way has one; each connection of a worker, who inherits the limit, two. */
static void allow_many_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Everything that takes a path or a privilege. */
static int open_all(struct agent *agent, bool foreground, struct error *error)
{
	int events, err;

	agent->lock = presence_take(error);
	if (agent->lock < 0)
		return agent->lock;
	allow_many_descriptors();
	err = supervisor_start(foreground, &agent->supervisor, error);
	if (err)
		return err;
	log_open(foreground);
	agent->manager = notify_open();
	agent->base = event_base_new();
	if (!agent->base || add_signals(agent) || add_watchdog(agent) || watch_supervisor(agent))
		return failed(error, -ENOMEM, "cannot start the agent's event loop: out of memory");
	events = presence_listen(error);
	if (events < 0)
		return events;
	agent->journal = journal_new(agent->base, events);
	if (!agent->journal)
		return failed(error, -ENOMEM, "out of memory");
	return keeper_new(agent->base, agent->journal, &agent->keeper, error);
}

static void close_all(struct agent *agent)
{
	keeper_free(agent->keeper);
	journal_free(agent->journal);
	for (int i = 0; i < 3; i++)
		if (agent->signals[i])
			event_free(agent->signals[i]);
	if (agent->watchdog)
		event_free(agent->watchdog);
	if (agent->ended)
		event_free(agent->ended);
	if (agent->base) {
		event_base_loop(agent->base,
				EVLOOP_NONBLOCK); /* callbacks that were put off let go of what they hold */
		event_base_free(agent->base);
	}
	if (agent->manager >= 0)
		close(agent->manager);
	if (agent->supervisor.life >= 0)
		close(agent->supervisor.life);
	if (agent->supervisor.ended >= 0)
		close(agent->supervisor.ended);
	if (agent->lock >= 0)
		close(agent->lock);
	log_close();
}

static int announce(int ready, struct error *error)
{
	char works = 0;
	int err = 0;

	if (ready < 0)
		return 0;
	if (write(ready, &works, 1) != 1)
		err = failed(error, -EPIPE, "whoever started the agent is gone");
	close(ready);
	return err;
}

int agent_run(bool foreground, int ready, struct error *error)
{
	struct agent agent = { .lock = -1, .supervisor = { -1, -1 }, .manager = -1, .foreground = foreground };
	int err = open_all(&agent, foreground, error);

	if (err == -EINTR && foreground) { /* it was asked to end before it had begun, and does */
		close_all(&agent);
		return 0;
	}
	if (!err)
		err = sandbox_enter(SANDBOX_AGENT, error);
	if (!err)
		err = announce(ready, error);
	if (!err) {
		presence_announce(agent.lock);
		notify_send(agent.manager, "READY=1");
		journal_write(agent.journal,
			      json_pack("{s:s, s:s, s:i}", "event", "agent", "state", "started", "pid", (int)getpid()),
			      "the agent of rcxlb %s started, process %d", rcxlb_version, (int)getpid());
		event_base_dispatch(agent.base);
		notify_send(agent.manager, "STOPPING=1");
		journal_write(agent.journal, json_pack("{s:s, s:s}", "event", "agent", "state", "ended"),
			      "the agent ended; the kernel goes on steering");
		if (agent.abandoned)
			err = failed(error, -ECHILD, "the agent ended because the supervisor of its workers died");
	}
	close_all(&agent);
	return err;
}
