#ifndef VITRINE_FS_OPTIONS_H
#define VITRINE_FS_OPTIONS_H

#include "engine/base/err.h"

/*
 * What -o may say.  Every word is known and has an effect, or the mount is
 * refused:
 *	allow_other		others may look; their access is checked
 *	default_permissions	the mounter's access is checked too
 *	nonempty		mount over a directory that has something in it
 *	fsname=NAME		what stands for the device in /proc/mounts
 *	ro			which it is anyhow
 *	nodev dev nosuid suid noexec exec noatime nodiratime nosymfollow
 *				as in mount(8); dev and suid are for root
 */
struct mount_options {
	bool allow_other;
	bool default_permissions;	/* also with allow_other */
	bool nonempty;
	char *fsname;			/* owned; NULL when not given */
	char *flags;			/* owned; for libfuse; may be "" */
};

/* text may be NULL.  ERR_USAGE names what is wrong. */
int options_parse(struct mount_options *, const char *text, struct err *);
void options_fini(struct mount_options *);

#endif
