/*
 * The commands that there are, and which one a command line names.
 */
#include <string.h>

#include "tools/cmd/cmd.h"
#include "tools/cmd/nearest.h"

const struct command *const commands[] = {
	&init_command,
	&backup_command,
	&snapshots_command,
	&ls_command,
	&cat_command,
	&find_command,
	&diff_command,
	&history_command,
	&stats_command,
	&mount_command,
	&umount_command,
	&restore_command,
	&dump_command,
	&check_command,
	&tag_add_command,
	&tag_remove_command,
	&tag_set_command,
	&key_list_command,
	&key_add_command,
	&key_change_command,
	&key_remove_command,
	&sql_command,
	&config_command,
	&complete_command,
	&version_command,
	&help_command_def,
	NULL
};

bool
command_is_family(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; commands[i] != NULL; i++)
		if (strncmp(commands[i]->name, word, len) == 0 &&
		    commands[i]->name[len] == ' ')
			return (true);
	return (false);
}

const struct command *
command_find(int argc, char **argv, int *at, struct err *e)
{
	const char *word = argv[*at];
	struct nearest near, both;
	char name[64], pair[64];
	int words = 1;

	if (command_is_family(word)) {
		if (*at + 1 >= argc || argv[*at + 1][0] == '-') {
			(void)err_set(e, ERR_USAGE, "%s needs a word more; see "
			    "\"vitrine help %s\"", word, word);
			return (NULL);
		}
		(void)snprintf(name, sizeof(name), "%s %s", word,
		    argv[*at + 1]);
		words = 2;
	} else
		(void)snprintf(name, sizeof(name), "%s", word);
	nearest_init(&near, name);
	/* A family that is mistyped comes with its second word. */
	if (words == 1 && *at + 1 < argc) {
		(void)snprintf(pair, sizeof(pair), "%s %s", word,
		    argv[*at + 1]);
		nearest_init(&both, pair);
	} else
		nearest_init(&both, "");
	for (size_t i = 0; commands[i] != NULL; i++) {
		if (strcmp(commands[i]->name, name) == 0) {
			*at += words;
			return (commands[i]);
		}
		nearest_offer(&near, commands[i]->name);
		if (strchr(commands[i]->name, ' ') != NULL)
			nearest_offer(&both, commands[i]->name);
	}
	if (near.best == NULL)
		near.best = both.best;
	if (near.best != NULL)
		(void)err_set(e, ERR_USAGE,
		    "unknown command \"%s\"; did you mean \"%s\"?", name,
		    near.best);
	else
		(void)err_set(e, ERR_USAGE, "unknown command \"%s\"; see "
		    "\"vitrine help\"", name);
	return (NULL);
}
