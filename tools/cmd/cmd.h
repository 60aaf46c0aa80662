#ifndef VITRINE_TOOLS_CMD_CMD_H
#define VITRINE_TOOLS_CMD_CMD_H

#include "engine/repo/fetch.h"
#include "engine/store/s3.h"
#include "index/catalog.h"
#include "tools/cmd/config.h"
#include "tools/cmd/opt.h"
#include "tools/cmd/secret.h"
#include "tools/cmd/text.h"
#include "tools/cmd/ui.h"

/*
 * A command: its words, its options (one table), and what runs it.
 */
struct cmd;
struct command {
	const char *name;	/* one word, or two: "key add" */
	const char *arguments;	/* for the usage line */
	const char *summary;	/* one line */
	const struct opt *options;
	int min_args, max_args;	/* max -1: any number */
	/* An exit status, or -1 and the error. */
	int (*run)(struct cmd *, struct err *);
};

/* One invocation. */
struct cmd {
	const struct command *command;
	struct opts global, own;
	struct config config;
	char **args;
	int nargs;

	struct ui ui;
	const char *location;	/* of the repository; NULL when not given */
	char *cache_dir, *state_dir;	/* owned; NULL: none */
	struct repo_env env;
	struct s3_options s3;	/* strings borrowed from the options */
};

extern const struct opt global_options[];
extern const struct opt no_options[];		/* of a command without any */
extern const struct command *const commands[];	/* ends with NULL */

/* The command that argv[*at] (and the word after it) names; *at moves behind
 * it. */
const struct command *command_find(int argc, char **argv, int *at,
    struct err *);
/* Is it the first of a command of two words? */
bool command_is_family(const char *word);
/* What help prints; main prints it for --help too. */
void help_overview(struct cmd *, FILE *);
void help_command(struct cmd *, const struct command *);
void version_print(struct cmd *);

/* An option and the variable that stands for it. */
struct named {
	const char *option, *variable;
};
/* What the command line doesn't say the environment may; "" says nothing. */
int settings_environment(struct opts *, const struct named *, size_t n,
    struct err *);
/* The text of an option; NULL where it isn't given, or empty. */
const char *settings_text(const struct opts *, const char *option);
/* The variable that stands for a global option; or NULL. */
const char *settings_variable(const char *option);
/* settings_s3.c: the same for options that concern stores far away; and what
 * they come to, in cmd->s3. */
const char *settings_s3_variable(const char *option);
int settings_s3(struct cmd *, struct err *);
/* cmd->env and directories from the options and the environment. */
int cmd_settings(struct cmd *, struct err *);
void cmd_fini(struct cmd *);
/* The repository, opened with the secret that the user gives. */
int cmd_open(struct cmd *, struct repo **, struct err *);
/* The same in two steps: the store first. */
int cmd_store(struct cmd *, bool create, struct store **, struct err *);
int cmd_unlock(struct cmd *, struct store *, struct repo **, struct err *);

/*
 * A bucket that is backed up or restored to, with options and variables of its
 * own: it has nothing to do with the repository's.
 */
#define BUCKET_OPTIONS							\
	{ "bucket-profile", 0, OPT_TEXT, false, "NAME",			\
	    "the bucket's credentials: this profile of ~/.aws" },	\
	{ "bucket-anonymous", 0, OPT_FLAG, false, NULL,			\
	    "ask the bucket without credentials" },			\
	{ "bucket-endpoint", 0, OPT_TEXT, false, "URL",			\
	    "the bucket's server, for s3://BUCKET" },			\
	{ "bucket-region", 0, OPT_TEXT, false, "REGION",		\
	    "the bucket's region" },					\
	{ "bucket-style", 0, OPT_TEXT, false, "STYLE",			\
	    "how the bucket is addressed: auto, path, host" },		\
	{ "bucket-ca-file", 0, OPT_TEXT, false, "FILE",			\
	    "believe certificates that those in FILE have signed" }
/* With at least that many connections. */
int cmd_bucket(struct cmd *, const char *location, unsigned connections,
    struct s3 **, struct err *);
/* Is any of these options given?  ERR_USAGE then, as there is no bucket. */
int cmd_no_bucket(const struct cmd *, struct err *);
/* "auto", "path" or "host", as that option has it; auto if it isn't given. */
int settings_s3_style(const struct opts *, const char *option, enum s3_style *,
    struct err *);

/* The list of snapshots; what gives a lying store away is said as warnings. */
int cmd_snapshots(struct cmd *, struct repo *, struct snapshots *,
    struct err *);
/* As many digits as tell each id from the others, at least 8. */
size_t short_id_len(const struct snapshots *);
#define SHORT_ID	8
/* The first digits of an id. */
char *short_id(char dst[ID_HEX], const uint8_t id[ID_BYTES], size_t digits);

/*
 * Which snapshots: the same options for every command that takes any.  "latest"
 * is the latest of those that they leave.
 */
#define FILTER_OPTIONS							\
	{ "host", 0, OPT_TEXT, false, "HOST",				\
	    "only snapshots of this host" },				\
	{ "name", 0, OPT_TEXT, false, "NAME",				\
	    "only snapshots that backup --name gave this name" },	\
	{ "tag", 0, OPT_TEXT, true, "TAG",				\
	    "only snapshots that have this tag" },			\
	{ "path", 0, OPT_TEXT, true, "PATH",				\
	    "only snapshots that hold this path" },			\
	{ "after", 0, OPT_TIME, false, "TIME",				\
	    "only snapshots of this time or later" },			\
	{ "before", 0, OPT_TIME, false, "TIME",				\
	    "only snapshots from before this time" }
/*
 * Those of the list that the filters leave, as a view in the same order: v is
 * the caller's to free, what it points to stays the list's.  None left, though
 * filters were given, is ERR_ABSENT and a text that says what there is.
 */
int cmd_filter(const struct cmd *, const struct snapshots *,
    struct snapshots *out, struct err *);
/* Is the absolute path one that was backed up, or below one? */
bool snapshot_holds(const struct snapshot *, const char *path);
bool cmd_has_filters(const struct cmd *);

/* "SNAPSHOT[:PATH]", with the filters where the command has them. */
struct chosen {
	struct snapshot_id id;
	struct stamp time;
	char name[ID_HEX];	/* short id */
	const char *path;	/* behind the colon; "" when there is none */
	bool has_path;
};
int cmd_choose(struct cmd *, struct repo *, const char *arg, struct chosen *,
    struct err *);
/* The same out of a list at hand. */
int cmd_choose_in(struct cmd *, const struct snapshots *, const char *arg,
    struct chosen *, struct err *);

/* A snapshot opened for reading. */
struct reader {
	struct repo *repo;
	bool borrowed;		/* the repository is another's */
	bool shared;		/* and the fetch */
	struct chosen chosen;
	struct manifest manifest;
	struct fetch *fetch;
	struct catalog *catalog;
};
int reader_open(struct reader *, struct cmd *, const char *arg, struct err *);
/* The same in a repository at hand, which it borrows, with one of `parts' of
 * the memory; STORE_ABSENT when the snapshot has gone. */
int reader_begin(struct reader *, struct cmd *, struct repo *,
    const struct chosen *, unsigned parts, struct err *);
/* For one snapshot after another, of which `parts' at most are open: what is
 * fetched and decoded for one is often what the next one needs.  What they
 * share, with the frames' share of all parts, ends after them. */
struct readers {
	struct fetch *fetch;
	struct images *images;
};
int readers_begin(struct readers *, struct cmd *, struct repo *,
    struct err *);
void readers_end(struct readers *);
int reader_begin_many(struct reader *, struct cmd *, struct repo *,
    const struct readers *, const struct chosen *, unsigned parts,
    struct err *);
void reader_close(struct reader *);	/* one of zeros is fine */
/* Have both the same catalog?  Then nothing in it differs. */
bool reader_same(const struct reader *, const struct reader *);
/* The entry at chosen.path; what is not there is an error that says how far the
 * path exists and what is there. */
int reader_resolve(struct reader *, struct entry *, struct err *);

extern const struct command init_command, backup_command, snapshots_command,
    ls_command, cat_command, mount_command, umount_command, restore_command,
    dump_command, check_command, config_command, complete_command,
    key_list_command, key_add_command, key_change_command, key_remove_command,
    tag_add_command, tag_remove_command, tag_set_command, find_command,
    diff_command, stats_command, history_command, sql_command,
    version_command, help_command_def;

#endif
