/*
 * The SQLite VFS between SQLite and the blocks of a catalog.  It exists so
 * that a catalog is read in place, block by block, and written as an overlay:
 * SQLite sees an ordinary file.
 *
 * One VFS is registered for the process, "vitrine".  The name of a main
 * database is a number under which vfs_open() has put the pages for the length
 * of the call; what else SQLite opens (files for sorting, or VACUUM) goes to
 * the system's own VFS.  No file is locked and none has a journal: a stored
 * catalog never changes, and one that is being built has one connection.
 *
 * SQLite reads while it opens: so many may be opening at one time, and no lock
 * is held over that.
 */
#include "index/pages.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define NAME	"vitrine"

struct file {
	sqlite3_file base;
	struct pages *pages;
	struct err err;		/* the last failure of the pages */
};

/* An open in progress. */
struct opening {
	struct opening *next;
	char name[24];			/* a number */
	struct pages *pages;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static bool registered;		/* registry_lock */
static uint64_t opened;		/* registry_lock: so many were, for names */
static struct opening *openings;	/* registry_lock */
static sqlite3_vfs *system_vfs;	/* immutable once registered, as ours */
static sqlite3_vfs our_vfs;

static int
file_close(sqlite3_file *f)
{
	return (SQLITE_OK);
}

static int
file_read(sqlite3_file *f, void *dst, int len, sqlite3_int64 off)
{
	struct file *file = (struct file *)f;
	uint64_t size = file->pages->ops->size(file->pages);
	uint64_t at = (uint64_t)off, have;

	if (len < 0 || off < 0)
		return (SQLITE_IOERR_READ);
	have = at >= size ? 0 : size - at;
	if (have > (uint64_t)len)
		have = (uint64_t)len;
	if (have > 0 && file->pages->ops->read(file->pages, dst, have, at,
	    &file->err) != 0)
		return (file->err.code == ERR_NOMEM ? SQLITE_IOERR_NOMEM :
		    SQLITE_IOERR_READ);
	if (have == (uint64_t)len)
		return (SQLITE_OK);
	memset((uint8_t *)dst + have, 0, (size_t)len - have);
	return (SQLITE_IOERR_SHORT_READ);
}

static int
file_write(sqlite3_file *f, const void *src, int len, sqlite3_int64 off)
{
	struct file *file = (struct file *)f;

	if (file->pages->ops->write == NULL)
		return (SQLITE_READONLY);
	if (len < 0 || off < 0 || file->pages->ops->write(file->pages, src,
	    (size_t)len, (uint64_t)off, &file->err) != 0)
		return (file->err.code == ERR_FULL ? SQLITE_FULL :
		    SQLITE_IOERR_WRITE);
	return (SQLITE_OK);
}

static int
file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct file *file = (struct file *)f;

	if (file->pages->ops->truncate == NULL)
		return (SQLITE_READONLY);
	if (size < 0 || file->pages->ops->truncate(file->pages,
	    (uint64_t)size, &file->err) != 0)
		return (SQLITE_IOERR_TRUNCATE);
	return (SQLITE_OK);
}

static int
file_sync(sqlite3_file *f, int flags)
{
	return (SQLITE_OK);
}

static int
file_size(sqlite3_file *f, sqlite3_int64 *out)
{
	struct file *file = (struct file *)f;

	*out = (sqlite3_int64)file->pages->ops->size(file->pages);
	return (SQLITE_OK);
}

static int
file_lock(sqlite3_file *f, int level)
{
	return (SQLITE_OK);
}

static int
file_reserved(sqlite3_file *f, int *out)
{
	*out = 0;
	return (SQLITE_OK);
}

static int
file_control(sqlite3_file *f, int op, void *arg)
{
	return (SQLITE_NOTFOUND);
}

static int
file_sector(sqlite3_file *f)
{
	return (4096);
}

static int
file_device(sqlite3_file *f)
{
	struct file *file = (struct file *)f;

	return (file->pages->ops->write == NULL ? SQLITE_IOCAP_IMMUTABLE : 0);
}

static const sqlite3_io_methods file_methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_lock,
	.xCheckReservedLock = file_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_device,
};

/* What is being opened under that name; NULL. */
static struct pages *
find_opening(const char *name)
{
	const struct opening *o;

	(void)pthread_mutex_lock(&registry_lock);
	for (o = openings; o != NULL && strcmp(o->name, name) != 0; o = o->next)
		;
	(void)pthread_mutex_unlock(&registry_lock);
	return (o == NULL ? NULL : o->pages);
}

static int
vfs_xopen(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags,
    int *out_flags)
{
	struct file *file = (struct file *)f;

	if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
		return (system_vfs->xOpen(system_vfs, name, f, flags,
		    out_flags));
	file->base.pMethods = NULL;
	file->pages = name == NULL ? NULL : find_opening(name);
	if (file->pages == NULL)
		return (SQLITE_CANTOPEN);
	err_init(&file->err);
	file->base.pMethods = &file_methods;
	if (out_flags != NULL)
		*out_flags = flags;
	return (SQLITE_OK);
}

/* A main database has no journal and no log: there is nothing beside it. */
static int
vfs_xaccess(sqlite3_vfs *v, const char *name, int flags, int *out)
{
	*out = 0;
	return (SQLITE_OK);
}

static int
vfs_xdelete(sqlite3_vfs *v, const char *name, int sync)
{
	return (SQLITE_OK);
}

static int
vfs_xfullpath(sqlite3_vfs *v, const char *name, int size, char *out)
{
	(void)snprintf(out, (size_t)size, "%s", name);
	return (SQLITE_OK);
}

/* Under registry_lock. */
static int
vfs_register(struct err *e)
{
	if (registered)
		return (0);
	system_vfs = sqlite3_vfs_find(NULL);
	if (system_vfs == NULL)
		return (err_set(e, ERR_SYS, "sqlite has no file system"));
	our_vfs = *system_vfs;
	our_vfs.pNext = NULL;
	our_vfs.zName = NAME;
	if (our_vfs.szOsFile < (int)sizeof(struct file))
		our_vfs.szOsFile = (int)sizeof(struct file);
	our_vfs.xOpen = vfs_xopen;
	our_vfs.xAccess = vfs_xaccess;
	our_vfs.xDelete = vfs_xdelete;
	our_vfs.xFullPathname = vfs_xfullpath;
	if (sqlite3_vfs_register(&our_vfs, 0) != SQLITE_OK)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	registered = true;
	return (0);
}

/* Name what is to be opened, so that vfs_xopen() finds it. */
static int
opening_begin(struct opening *o, struct err *e)
{
	int r;

	(void)pthread_mutex_lock(&registry_lock);
	r = vfs_register(e);
	if (r == 0) {
		(void)snprintf(o->name, sizeof(o->name), "%llu",
		    (unsigned long long)opened++);
		o->next = openings;
		openings = o;
	}
	(void)pthread_mutex_unlock(&registry_lock);
	return (r);
}

static void
opening_end(const struct opening *o)
{
	struct opening **at = &openings;

	(void)pthread_mutex_lock(&registry_lock);
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	(void)pthread_mutex_unlock(&registry_lock);
}

int
vfs_open(sqlite3 **out, struct pages *pages, struct err *e)
{
	struct opening opening = { .pages = pages };
	uint8_t head[100];
	sqlite3 *db = NULL;
	int flags, rc;

	flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
	    (pages->ops->write == NULL ? SQLITE_OPEN_READONLY :
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	if (opening_begin(&opening, e) != 0)
		return (-1);
	/* This calls xOpen, and reads, before it returns. */
	rc = sqlite3_open_v2(opening.name, &db, flags, NAME);
	opening_end(&opening);
	if (rc != SQLITE_OK) {
		/* SQLite has read the first bytes and closed the file, and what
		 * failed is forgotten with it: ask again. */
		if ((rc & 0xff) != SQLITE_IOERR ||
		    pages->ops->read(pages, head, sizeof(head), 0, e) == 0)
			(void)err_set(e, rc == SQLITE_NOMEM ? ERR_NOMEM :
			    ERR_SYS, "opening a catalog: %s",
			    sqlite3_errstr(rc));
		(void)sqlite3_close(db);
		return (-1);
	}
	(void)sqlite3_extended_result_codes(db, 1);
	*out = db;
	return (0);
}

int
(vfs_error)(sqlite3 *db, int rc, struct err *e, const char *what)
{
	sqlite3_file *f = NULL;

	if ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_FULL) {
		(void)sqlite3_file_control(db, "main",
		    SQLITE_FCNTL_FILE_POINTER, &f);
		if (f != NULL && f->pMethods == &file_methods &&
		    ((struct file *)f)->err.code != ERR_NONE) {
			*e = ((struct file *)f)->err;
			err_init(&((struct file *)f)->err);
			return (err_wrap(e, "%s", what));
		}
	}
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return (err_set(e, ERR_NOMEM, "%s: out of memory", what));
	case SQLITE_FULL:
		return (err_set(e, ERR_FULL, "%s: no space left", what));
	case SQLITE_IOERR:
		return (err_set(e, ERR_SYS, "%s: %s", what,
		    sqlite3_errstr(rc)));
	case SQLITE_INTERRUPT:
		return (err_set(e, ERR_CANCELED, "%s: interrupted", what));
	default:
		return (err_set(e, ERR_CORRUPT, "%s: %s", what,
		    db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc)));
	}
}
