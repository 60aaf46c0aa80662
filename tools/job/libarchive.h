#ifndef VITRINE_TOOLS_JOB_LIBARCHIVE_H
#define VITRINE_TOOLS_JOB_LIBARCHIVE_H

#include <archive.h>
#include <archive_entry.h>

#include "engine/base/err.h"

/*
 * libarchive, loaded when it is needed: it brings eleven libraries with it, and
 * no command but one wants any of them in its memory.
 */
#define LIBARCHIVE_FUNCTIONS(X) \
	X(archive_entry_acl_add_entry) \
	X(archive_entry_clear) \
	X(archive_entry_copy_gname) \
	X(archive_entry_copy_hardlink) \
	X(archive_entry_copy_pathname) \
	X(archive_entry_copy_symlink) \
	X(archive_entry_copy_uname) \
	X(archive_entry_free) \
	X(archive_entry_new) \
	X(archive_entry_set_filetype) \
	X(archive_entry_set_gid) \
	X(archive_entry_set_mtime) \
	X(archive_entry_set_perm) \
	X(archive_entry_set_rdevmajor) \
	X(archive_entry_set_rdevminor) \
	X(archive_entry_set_size) \
	X(archive_entry_set_uid) \
	X(archive_entry_sparse_add_entry) \
	X(archive_entry_sparse_clear) \
	X(archive_entry_xattr_add_entry) \
	X(archive_error_string) \
	X(archive_write_close) \
	X(archive_write_data) \
	X(archive_write_finish_entry) \
	X(archive_write_free) \
	X(archive_write_header) \
	X(archive_write_new) \
	X(archive_write_open) \
	X(archive_write_set_bytes_in_last_block) \
	X(archive_write_set_bytes_per_block) \
	X(archive_write_set_format_pax) \
	X(archive_write_set_format_zip) \
	X(archive_write_set_options)

struct libarchive {
#define LIBARCHIVE_FIELD(name)	__typeof__(name) *name;
	LIBARCHIVE_FUNCTIONS(LIBARCHIVE_FIELD)
#undef LIBARCHIVE_FIELD
};

/* Thread-safe; for the life of the process.  ERR_ABSENT where it is not
 * installed. */
int libarchive_load(const struct libarchive **out, struct err *);

#endif
