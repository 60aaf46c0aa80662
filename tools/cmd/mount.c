/*
 * vitrine mount and umount.  The order matters: what can be refused is refused
 * first, then the daemon is made, then it asks for the passphrase (locked
 * memory is not inherited), then it serves (fs/mount.h).
 */
#include "fs/mount.h"

#include <string.h>

#include "tools/cmd/cmd.h"

static const struct opt mount_options[] = {
	{ "foreground", 'f', OPT_FLAG, false, NULL,
	    "stay; Ctrl-C ends the mount" },
	{ "options", 'o', OPT_TEXT, true, "OPTIONS",
	    "mount options, comma-separated (allow_other ...)" },
	FILTER_OPTIONS,
	{ .name = NULL }
};

static int
join_options(const struct opt_value *v, struct buf *b, struct err *e)
{
	for (size_t i = 0; i < v->n; i++) {
		if (i > 0)
			buf_u8(b, ',');
		buf_bytes(b, v->list[i], strlen(v->list[i]));
	}
	buf_u8(b, '\0');
	return (buf_ok(b, e));
}

static int
serve(struct cmd *c, struct store *store, const struct mount_env *env,
    const char *snapshot, struct err *e)
{
	struct mount_parent parent = { .fd = -1 };
	struct mount_env one = *env;
	struct chosen chosen;
	struct snapshots snaps = { 0 };
	struct repo *repo;
	int r;

	if (mount_check(env, store, e) < 0 ||
	    (!env->foreground && mount_daemonise(&parent, e) < 0)) {
		store_close(store);
		return (-1);
	}
	if (cmd_unlock(c, store, &repo, e) < 0)
		return (-1);
	if (snapshot != NULL) {
		if ((r = cmd_choose(c, repo, snapshot, &chosen, e)) == 0) {
			one.snapshot = &chosen.id;
			one.subtree = chosen.has_path ? chosen.path : NULL;
		}
	} else {
		one.snapshots = &snaps;
		r = cmd_snapshots(c, repo, &snaps, e);
	}
	if (r == 0 && atomic_load(signals_flag()))
		r = err_set(e, ERR_CANCELED, "interrupted");
	if (r == 0) {
		/* The mount has handlers of its own. */
		one.ending = signals_default();
		r = mount_serve(repo, &one, env->foreground ? NULL : &parent,
		    e);
	}
	snapshots_fini(&snaps);
	repo_close(repo);
	return (r);
}

static int
run_mount(struct cmd *c, struct err *e)
{
	struct mount_env env = { 0 };
	struct store *store;
	struct buf options = BUF_INIT;
	int r = -1;

	env.mountpoint = c->args[c->nargs - 1];
	env.foreground = opts_given(&c->own, "foreground");
	if (opts_given(&c->global, "threads"))
		env.threads = c->env.threads;
	if (opts_given(&c->global, "memory"))
		env.memory_bytes = c->env.memory_bytes;
	if (c->nargs == 1 && cmd_has_filters(c))
		return (err_set(e, ERR_USAGE, "a mount of the whole repository "
		    "shows all snapshots: to filters belongs \"latest\""));
	if (join_options(opts_get(&c->own, "options"), &options, e) < 0)
		goto out;
	env.options = options.len > 1 ? (const char *)options.data : NULL;
	if (cmd_store(c, false, &store, e) < 0)
		goto out;
	r = serve(c, store, &env, c->nargs == 2 ? c->args[0] : NULL, e);
out:
	buf_fini(&options);
	return (r < 0 ? -1 : EXIT_DONE);
}

static int
run_umount(struct cmd *c, struct err *e)
{
	if (mount_unmount(c->args[0], e) < 0)
		return (-1);
	return (EXIT_DONE);
}

const struct command mount_command = {
	"mount", "[SNAPSHOT[:PATH]] MOUNTPOINT",
	"Show the repository or a snapshot as read-only files", mount_options,
	1, 2, run_mount
};
const struct command umount_command = {
	"umount", "MOUNTPOINT", "End a mount", no_options, 1, 1, run_umount
};
