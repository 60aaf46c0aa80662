/*
 * An entry of a snapshot, for people and for programs.
 */
#include "tools/cmd/entry.h"

#include <string.h>

#include "tools/cmd/text.h"

int
owner_name(struct owners *all, struct catalog *catalog, bool group,
    uint32_t id, const char **out, struct err *e)
{
	struct owner *o = &all->v[group][id % OWNERS];
	int r;

	*out = o->name;
	if (o->known && o->id == id)
		return (0);
	o->known = false;
	r = catalog_owner(catalog, group, id, o->name, sizeof(o->name), e);
	if (r < 0)
		return (-1);
	if (r == CATALOG_ABSENT || o->name[0] == '\0')
		(void)snprintf(o->name, sizeof(o->name), "%u", id);
	o->known = true;
	o->id = id;
	return (0);
}

static const char *const kinds[] = {
	"", "file", "directory", "symlink", "fifo", "socket", "char", "block"
};

const char *
kind_name(uint8_t kind)
{
	return (kind <= ENTRY_BLOCK ? kinds[kind] : "");
}

int
kind_of_name(uint8_t *out, const char *name)
{
	for (unsigned k = ENTRY_FILE; k <= ENTRY_BLOCK; k++)
		if (strcmp(kinds[k], name) == 0 ||
		    (name[0] != '\0' && name[1] == '\0' &&
		    name[0] == "?fdlpscb"[k])) {
			*out = (uint8_t)k;
			return (0);
		}
	return (-1);
}

void
mode_string(char dst[11], const struct entry *en)
{
	static const char letters[] = "?-dlpscb";
	static const char bits[] = "rwxrwxrwx";

	dst[0] = en->kind <= ENTRY_BLOCK ? letters[en->kind] : '?';
	for (int i = 0; i < 9; i++)
		dst[1 + i] = (en->mode & (0400 >> i)) != 0 ? bits[i] : '-';
	if (en->mode & 04000)
		dst[3] = dst[3] == 'x' ? 's' : 'S';
	if (en->mode & 02000)
		dst[6] = dst[6] == 'x' ? 's' : 'S';
	if (en->mode & 01000)
		dst[9] = dst[9] == 'x' ? 't' : 'T';
	dst[10] = '\0';
}

int
entry_members(struct json *j, struct owners *owners, struct catalog *catalog,
    const char *path, size_t len, const struct entry *en, struct err *e)
{
	char target[CATALOG_TARGET_MAX + 1], mode[11];
	const char *user, *group;
	size_t target_len;

	mode_string(mode, en);
	if (owner_name(owners, catalog, false, en->uid, &user, e) < 0 ||
	    owner_name(owners, catalog, true, en->gid, &group, e) < 0)
		return (-1);
	json_bytes(j, "path", path, len);
	json_text(j, "kind", kind_name(en->kind));
	json_u64(j, "mode", en->mode);
	json_text(j, "permissions", mode);
	json_u64(j, "links", en->nlink);
	json_u64(j, "uid", en->uid);
	json_u64(j, "gid", en->gid);
	json_text(j, "user", user);
	json_text(j, "group", group);
	json_u64(j, "size", en->size);
	json_time(j, "mtime", &en->mtime);
	json_time(j, "ctime", &en->ctime);
	if (en->kind == ENTRY_CHAR || en->kind == ENTRY_BLOCK) {
		json_u64(j, "major", en->rdev_major);
		json_u64(j, "minor", en->rdev_minor);
	}
	if (en->kind == ENTRY_SYMLINK) {
		if (catalog_target(catalog, en->ino, target, &target_len,
		    e) < 0)
			return (-1);
		json_bytes(j, "target", target, target_len);
	}
	json_bool(j, "unread", (en->flags & ENTRY_UNREAD) != 0);
	return (0);
}

void
print_name(const char *name, size_t len, bool quoted)
{
	struct buf b = BUF_INIT;

	if (!quoted) {
		(void)fwrite(name, 1, len, stdout);
		return;
	}
	text_quote(&b, name, len);
	if (!b.failed)
		(void)fwrite(b.data, 1, b.len, stdout);
	buf_fini(&b);
}
