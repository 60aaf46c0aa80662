/*
 * A snapshot of one file that is no file: a stream, or what a command prints.
 * It stands at the path that it was given, below directories that lead to it
 * and are nobody's.
 */
#include "tools/job/backup_int.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/job/child.h"

#define FILE_MODE	0600
#define DIR_MODE	0755

struct stream {
	struct backup *b;
	struct stamp now;
	uint64_t dir;			/* where the next component goes */
	bool has_dir;			/* the parent has that directory */
};

static int
make_node(struct stream *s, uint64_t ino, uint8_t kind, struct err *e)
{
	struct meta_stat st = { .kind = kind, .uid = geteuid(),
	    .gid = getegid(), .mtime = s->now, .ctime = s->now, .nlink = 1,
	    .mode = kind == ENTRY_DIR ? DIR_MODE : FILE_MODE };
	struct node nd = { .ino = ino, .st = &st, .like = true };

	if (kind == ENTRY_DIR) {
		nd.flags = ENTRY_IMPLIED;
		nd.parent = s->dir;
	}
	return (sink_node(s->b, &nd, e));
}

/* The inode of a component: the parent's where it has one of that kind. */
static int
step(struct stream *s, const char *name, size_t len, uint8_t kind,
    bool *old, uint64_t *ino, struct err *e)
{
	struct walk_batch inos = { 0 };
	char text[CATALOG_NAME_MAX + 1];
	struct entry en;
	int rc = CATALOG_ABSENT;

	memcpy(text, name, len);
	text[len] = '\0';
	if (s->has_dir)
		rc = catalog_lookup(s->b->parent, s->dir, text, len, &en, e);
	if (rc < 0) {
		atomic_store(&s->b->parent_bad, e->code == ERR_CORRUPT);
		return (err_wrap(e, "the snapshot to compare with"));
	}
	*old = rc == 0 && en.kind == kind && en.nlink <= 1;
	if (*old) {
		*ino = en.ino;
		return (kind == ENTRY_DIR ? 0 : make_node(s, *ino, kind, e));
	}
	if (rc == 0 && sink_unname(s->b, s->dir, text, e) != 0)
		return (-1);
	if (sink_ino(s->b, &inos, ino, e) != 0 ||
	    make_node(s, *ino, kind, e) != 0)
		return (-1);
	return (sink_name(s->b, s->dir, text, *ino, e));
}

/* The root, the directories, the file's node. */
static int
make_path(struct stream *s, uint64_t *ino, bool *old, struct err *e)
{
	const char *p = s->b->roots.v[0] + 1;

	s->dir = CATALOG_ROOT_INO;
	s->has_dir = s->b->parent != NULL;
	if (!s->has_dir && make_node(s, CATALOG_ROOT_INO, ENTRY_DIR, e) != 0)
		return (-1);
	s->b->res->dirs++;
	for (;;) {
		size_t len = strcspn(p, "/");
		bool is_dir = p[len] == '/';

		if (step(s, p, len, is_dir ? ENTRY_DIR : ENTRY_FILE, old, ino,
		    e) != 0)
			return (-1);
		if (!is_dir)
			return (0);
		s->b->res->dirs++;
		s->dir = *ino;
		s->has_dir = *old;
		p += len + 1;
	}
}

static int
put_stream(struct stream *s, int fd, struct err *e)
{
	struct backup_result *res = s->b->res;
	struct content content;
	uint64_t ino, bytes;
	bool old = false;

	if (make_path(s, &ino, &old, e) != 0 ||
	    sink_begin(s->b, ino, e) != 0)
		return (-1);
	content_begin(&content, s->b, old);
	if (flow_stream(s->b->flow, fd, ino, &content, &bytes, e) != 0 ||
	    content_end(&content, s->b, ino, e) != 0 ||
	    sink_end(s->b, ino, e) != 0)
		return (-1);
	res->files = s->b->roots_read = 1;
	res->bytes = bytes;
	res->files_new = old ? 0 : 1;
	res->files_unchanged = content.same ? 1 : 0;
	res->files_changed = old && !content.same ? 1 : 0;
	if (bytes == 0 && !s->b->env->allow_empty)
		return (err_set(e, ERR_ABSENT, "nothing to back up: the stream "
		    "is empty (--allow-empty if it may be)"));
	return (0);
}

int
stream_run(struct backup *b, struct err *e)
{
	struct stream s = { .b = b, .now = clock_wall() };
	const struct backup_env *env = b->env;
	const struct program program = { .argv = env->command,
	    .output = true };
	struct child child = { .pid = 0, .out = -1 };
	int rc;

	if (env->command != NULL && child_start(&child, &program, e) != 0)
		return (-1);
	rc = put_stream(&s, env->command != NULL ? child.out : env->stream_fd,
	    e);
	/* A command that failed tells more than what it left. */
	if (env->command != NULL && (rc == 0 || e->code == ERR_ABSENT)) {
		struct err why = ERR_INIT;

		if (child_wait(&child, b->ev, &why) != 0) {
			*e = why;
			rc = err_wrap(e, "no snapshot: the command failed");
		}
	}
	child_stop(&child);
	return (rc);
}
