// SPDX-License-Identifier: BSD-2-Clause
#include "agent/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/crew.h"
#include "agent/log.h"
#include "agent/material.h"
#include "agent/presence.h"
#include "agent/process.h"
#include "agent/webroot.h"
#include "agent/work.h"
#include "core/endpoint.h"
#include "dataplane/staff.h"
#include "dataplane/watch.h"
#include "proxy/clock.h"

#define LOOK_MS	  200		/* for what was published; who dies is noticed at once */
#define WAIT_MS	  10		/* for the end of a change, at the beginning */
#define STAMP_NS  2000000000ull /* between looks at the certificates' files */
#define RETRY_NS  2000000000ull /* after a crew could not be started, or a change not be completed */
#define BURY_NS	  2000000000ull /* between looks for workers that are no more */
#define LOCATE_NS 2000000000ull /* between looks where addresses are */
#define BUSY_NS	  500000000ull	/* until the next one, when somebody had the lock */
#define ROTATE_NS (12 * 3600 * 1000000000ull)

struct supervisor {
	struct crew_means means;
	struct model *model, *spare; /* as published last; room for the next one */
	struct ticket_keys *keys;    /* of session tickets: in memory that is empty in whoever is forked */
	uint32_t keys_version;
	struct work_tickets *tickets; /* a copy of these for the workers: what is there is not believed */
	struct recorders recorders;   /* of access logs */
	struct crew *crew;	      /* in charge, or NULL */
	uint64_t revision;
	uint64_t stamp, stamped; /* of the certificates, and when that was looked at */
	uint64_t rotated;	 /* the ticket keys */
	uint64_t retry;		 /* not before */
	uint64_t buried;	 /* when it was last looked for workers that are no more */
	uint64_t located;	 /* when it was last looked where addresses are */
	uint64_t unfinished;	 /* not before: a change that was cut short, which could not be completed */
	struct error refused;	 /* why: told once */
	struct error unrecorded; /* an access log: told once */
	struct error lacked;	 /* a folder of challenges: told once */
	struct error said;	 /* why there is no crew, or not the wished one: told once */
	bool stale;		 /* what the crew works with may not be what is wished */
	enum crew_reason reason; /* then why */
};

/* Workers see the new keys at their next look. */
static void rotate_tickets(struct supervisor *supervisor)
{
	struct ticket_key key;

	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return;
	ticket_keys_rotate(supervisor->keys, &key);
	work_publish_tickets(supervisor->tickets, ++supervisor->keys_version, supervisor->keys);
	OPENSSL_cleanse(&key, sizeof(key));
	supervisor->rotated = clock_ns(CLOCK_MONOTONIC);
}

static bool same_listens(const struct model_service *a, const struct model_service *b)
{
	return a->listens == b->listens && !memcmp(a->listen, b->listen, sizeof(a->listen));
}

/* Where routes lead: steer knows services by their addresses, and their backends may want a header. */
static bool same_routes(const struct model *a, const struct model *b, const struct rcxlb_http *http)
{
	for (uint32_t i = 0; i < http->routes; i++) {
		uint32_t end = http->route[i].service % RCXLB_MAX_SERVICES;

		if (!same_listens(&a->service[end], &b->service[end]) ||
		    a->service[end].proxy.send != b->service[end].proxy.send)
			return false;
	}
	return true;
}

/* What workers are started with, of a model. */
static bool same_for_workers(const struct model *a, const struct model *b)
{
	if (a->settings.workers != b->settings.workers || memcmp(a->hash_key, b->hash_key, sizeof(a->hash_key)))
		return false;
	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES; i++) {
		const struct model_service *left = &a->service[i], *right = &b->service[i];
		bool served = model_has_workers(a, left);

		if (served != model_has_workers(b, right))
			return false;
		if (served &&
		    (!same_listens(left, right) || left->idle_ms != right->idle_ms ||
		     memcmp(left->name, right->name, sizeof(left->name)) ||
		     memcmp(&left->tls, &right->tls, sizeof(left->tls)) ||
		     memcmp(&left->proxy, &right->proxy, sizeof(left->proxy)) ||
		     memcmp(&left->http, &right->http, sizeof(left->http)) || !same_routes(a, b, &left->http)))
			return false;
	}
	return true;
}

static void become_stale(struct supervisor *supervisor, enum crew_reason reason)
{
	supervisor->stale = true;
	if (supervisor->reason < reason)
		supervisor->reason = reason;
	supervisor->retry = 0;
}

/* What was seen of a backend stays seen: an instance that is restarted must not cost its service the workers. */
static void keep_seen(const struct model *from, struct model *to)
{
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		to->backend[id].unassignable = to->backend[id].used && from->backend[id].unassignable &&
					       endpoint_equal(&from->backend[id].endpoint, &to->backend[id].endpoint);
}

/* Listeners that only workers can reach: a plain service has workers from then on. */
static void follow_listeners(struct supervisor *supervisor)
{
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		struct model_backend *backend = &supervisor->model->backend[id];

		if (!backend->used || backend->unassignable || !watch_load(supervisor->means.watch, id).unassignable)
			continue;
		*supervisor->spare = *supervisor->model;
		backend->unassignable = true;
		if (!same_for_workers(supervisor->spare, supervisor->model))
			become_stale(supervisor, CREW_MODEL);
	}
}

/* What is wrong, and what follows: once, however often it is tried again. */
static void tell_once(struct error *told, const char *what, const char *consequence)
{
	if (what[0] && strcmp(what, told->text))
		log_line("%s%s", what, consequence);
	error_set(told, "%s", what);
}

/* A command may have been killed when steer knew already of a service that nobody serves yet. */
static void complete_change(struct supervisor *supervisor)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct error error = { "" };
	int err;

	if (now < supervisor->unfinished)
		return;
	err = dataplane_complete(&error);
	if (err == -EAGAIN || err == -ENOENT)
		return;
	if (err)
		supervisor->unfinished = now + RETRY_NS;
	tell_once(&supervisor->refused, err ? error.text : "", "");
}

static void follow_model(struct supervisor *supervisor)
{
	struct model *former = supervisor->model;
	struct error error;
	int news = watch_follow(supervisor->means.watch, &supervisor->revision, supervisor->spare, &error);

	if (news < 0 && news != -EAGAIN && news != -ENOENT)
		log_line("%s", error.text);
	if (news <= 0)
		return;
	keep_seen(former, supervisor->spare);
	if (!same_for_workers(former, supervisor->spare))
		become_stale(supervisor, CREW_MODEL);
	supervisor->model = supervisor->spare;
	supervisor->spare = former;
}

/*
 * An address that comes or goes is a change as if somebody had commanded it. While somebody else holds the lock it is
 * tried again at the next look: workers are mended meanwhile.
 */
static void follow_addresses(struct supervisor *supervisor)
{
	const struct model_backend *backend = supervisor->model->backend, *end = backend + RCXLB_MAX_BACKENDS;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	char text[RCXLB_TEXT_LEN];
	struct error error;
	int err;

	if (now - supervisor->located < LOCATE_NS)
		return;
	supervisor->located = now;
	while (backend < end && (!backend->used || backend->elsewhere == dataplane_is_elsewhere(&backend->endpoint)))
		backend++;
	if (backend == end)
		return;
	err = dataplane_relocate(&error);
	if (err == -EAGAIN) /* sooner than else, and not at each look: it asks the kernel for each backend */
		supervisor->located = now - LOCATE_NS + BUSY_NS;
	else if (err)
		log_line("%s", error.text);
	else
		log_line("the address of backend %s has %s this host", endpoint_format(&backend->endpoint, text),
			 backend->elsewhere ? "come to" : "left");
}

static void follow_files(struct supervisor *supervisor)
{
	uint64_t stamp;

	if (clock_ns(CLOCK_MONOTONIC) - supervisor->stamped < STAMP_NS)
		return;
	supervisor->stamped = clock_ns(CLOCK_MONOTONIC);
	stamp = material_stamp(supervisor->model);
	if (stamp == supervisor->stamp)
		return;
	supervisor->stamp = stamp;
	become_stale(supervisor, CREW_FILES);
}

static void complain(struct supervisor *supervisor, const char *why)
{
	tell_once(&supervisor->said, why, "; workers go on with what they have, and it is tried again");
}

/* The former crew ends by itself when it sees this one in charge; or it goes on. */
static void change_crew(struct supervisor *supervisor)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct error error = { "" };
	struct crew *crew;
	int err;

	if (!supervisor->stale || now < supervisor->retry)
		return;
	supervisor->stamp = material_stamp(supervisor->model); /* first: what is written meanwhile is another one */
	supervisor->retry = now + RETRY_NS;
	err = crew_start(&supervisor->means, supervisor->model, supervisor->crew, supervisor->reason, &crew, &error);
	if (err) {
		complain(supervisor, err == -ECANCELED ? "" : error.text);
		return;
	}
	if (crew) {
		crew_free(supervisor->crew);
		supervisor->crew = crew;
	}
	supervisor->reason = CREW_LACKS;
	supervisor->stale = crew && crew_lacks(crew)[0];
	complain(supervisor, crew ? crew_lacks(crew) : "");
}

/* At once when one of its own has ended; orphans of a former supervisor are looked for. */
static void bury_dead(struct supervisor *supervisor, bool ended)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct error error;

	if (!ended && now - supervisor->buried < BURY_NS)
		return;
	supervisor->buried = now;
	if (staff_bury(watch_dataplane(supervisor->means.watch), process_lives, &error) < 0)
		log_line("%s", error.text);
}

static void look(struct supervisor *supervisor)
{
	struct error error = { "" };

	complete_change(supervisor);
	follow_model(supervisor);
	follow_listeners(supervisor);
	follow_addresses(supervisor);
	follow_files(supervisor);
	recorders_follow(&supervisor->recorders, supervisor->model, &error);
	tell_once(&supervisor->unrecorded, error.text, "");
	webroot_look(supervisor->means.challenges, supervisor->model, &supervisor->lacked);
	change_crew(supervisor);
	bury_dead(supervisor, crew_reap(supervisor->crew)); /* before others have their addresses */
	crew_mend(supervisor->crew);
	if (clock_ns(CLOCK_MONOTONIC) - supervisor->rotated > ROTATE_NS)
		rotate_tickets(supervisor);
}

/* What a recorder has no use for. */
static void leave_shared(void *context)
{
	struct supervisor *supervisor = context;

	crew_conceal(supervisor->crew);
	munmap(supervisor->tickets, sizeof(*supervisor->tickets));
	webroot_free(supervisor->means.challenges);
}

#define LIFE 3 /* the descriptor, of the supervisor */

/* A change that is under way is waited for, unless the agent ends first. */
static int open_watch(struct supervisor *supervisor, struct error *error)
{
	struct pollfd end = { .fd = LIFE, .events = POLLIN };
	int err;

	do
		err = watch_open(NULL, NULL, &supervisor->means.watch, error);
	while (err == -EAGAIN && poll(&end, 1, WAIT_MS) <= 0);
	return err;
}

/* Whoever is forked has none of them: workers get those that hold, in memory from which the others vanish. */
static struct ticket_keys *own_keys(void)
{
	struct ticket_keys *keys =
	    mmap(NULL, sizeof(*keys), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (keys == MAP_FAILED || madvise(keys, sizeof(*keys), MADV_WIPEONFORK))
		return NULL;
	madvise(keys, sizeof(*keys), MADV_DONTDUMP);
	return keys;
}

static int begin(struct supervisor *supervisor, struct error *error)
{
	int err = open_watch(supervisor, error);

	if (err)
		return err;
	supervisor->model = calloc(1, sizeof(*supervisor->model));
	supervisor->spare = calloc(1, sizeof(*supervisor->spare));
	supervisor->tickets =
	    mmap(NULL, sizeof(*supervisor->tickets), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	supervisor->means.challenges = webroot_new();
	supervisor->keys = own_keys();
	if (!supervisor->means.challenges || !supervisor->keys || !supervisor->model || !supervisor->spare ||
	    supervisor->tickets == MAP_FAILED)
		return failed(error, -ENOMEM, "out of memory");
	supervisor->means.tickets = supervisor->tickets;
	supervisor->means.recorders = &supervisor->recorders;
	supervisor->recorders.leave = leave_shared;
	supervisor->recorders.context = supervisor;
	madvise(supervisor->tickets, sizeof(*supervisor->tickets), MADV_DONTDUMP);
	rotate_tickets(supervisor);
	bury_dead(supervisor, true); /* so that it is known whether anybody is in charge */
	supervisor->means.lock = presence_supervise();
	return supervisor->means.lock < 0
		   ? failed(error, supervisor->means.lock, "cannot lock the agent's lock file: %s",
			    strerror(-supervisor->means.lock))
		   : 0;
}

static void on_child(int number)
{
	(void)number;
}

/* So that a child's end is noticed while nothing else is done, and interrupts nothing else. Sets what was blocked. */
static void expect_children(sigset_t *former)
{
	const struct sigaction action = { .sa_handler = on_child };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigaction(SIGCHLD, &action, NULL);
	sigprocmask(SIG_BLOCK, &child, former);
	sigdelset(former, SIGCHLD);
}

/* A byte 0 says that it has begun; anything else is the sentence that says why not. */
static void answer(const char *sentence)
{
	if (write(LIFE, sentence, sentence[0] ? strlen(sentence) : 1) < 0)
		_exit(1);
}

/*
 * Until `life` ends. Of what the agent has open nothing is kept: whoever waits for the agent's end by one of those
 * would wait for the last worker's.
 */
static _Noreturn void supervise(int life, bool foreground)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000 };
	struct pollfd end = { .fd = LIFE, .events = POLLIN };
	struct supervisor supervisor = { .means.life = LIFE };
	struct error error;
	sigset_t others;

	prctl(PR_SET_NAME, "rcxlb-super");
	signal(SIGINT, SIG_IGN); /* of the terminal: the agent hears it too, and then this process of that */
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);  /* nobody may read what it says: so for workers and access logs, which inherit it */
	prctl(PR_SET_DUMPABLE, 0); /* it keeps the keys of those whom it starts */
	if (dup2(life, LIFE) < 0)
		_exit(1);
	syscall(SYS_close_range, LIFE + 1, ~0u, 0);
	log_open(foreground);
	if (begin(&supervisor, &error)) {
		answer(error.text);
		_exit(1);
	}
	answer("");
	expect_children(&others);
	do
		look(&supervisor);
	while (ppoll(&end, 1, &pause, &others) <= 0);
	_exit(0);
}

/* Until it has begun: from then on it is known whether there is one. */
static int await(int life, struct error *error)
{
	char text[sizeof(error->text)];
	ssize_t n;

	do {
		n = read(life, text, sizeof(text) - 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1 && !text[0])
		return 0;
	text[n > 0 ? n : 0] = 0;
	return failed(error, -ECHILD, "%s", text[0] ? text : "the supervisor of the workers died while it started");
}

int supervisor_start(bool foreground, struct supervision *ret, struct error *error)
{
	int life[2], err;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, life))
		return failed(error, -errno, "cannot start the supervisor of the workers: %s", strerror(errno));
	child = fork();
	if (!child)
		supervise(life[0], foreground);
	err = child < 0 ? failed(error, -errno, "cannot start the supervisor of the workers: %s", strerror(errno)) : 0;
	close(life[0]);
	if (!err)
		err = await(life[1], error);
	if (err) {
		close(life[1]);
		return err;
	}
	*ret = (struct supervision){ .life = life[1], .ended = syscall(SYS_pidfd_open, child, 0) };
	return 0;
}
