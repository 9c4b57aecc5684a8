/* SPDX-License-Identifier: BSD-2-Clause */
/* Every command; the table of them is in main.c. */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#include "cmd/command.h"

extern const struct command command_load, command_unload, command_reload, command_status, command_services,
	command_backends, command_why, command_check, command_config, command_events, command_doctor, command_version,
	command_completion;

#endif
