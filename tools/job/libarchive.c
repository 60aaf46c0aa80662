/*
 * Loading libarchive by the name of its ABI, which has stood since 2011.
 */
#include "tools/job/libarchive.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define LIBRARY	"libarchive.so.13"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct libarchive functions;	/* lock, until loaded */
static bool loaded;			/* lock */

static int
load(struct err *e)
{
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL), *p;

	if (lib == NULL)
		return (err_set(e, ERR_ABSENT, "archives need libarchive, "
		    "which isn't there (%s); on Debian it is libarchive13",
		    dlerror()));
#define LIBARCHIVE_LOAD(name)						\
	if ((p = dlsym(lib, #name)) == NULL) {				\
		(void)dlclose(lib);					\
		return (err_set(e, ERR_ABSENT, LIBRARY " lacks " #name)); \
	}								\
	memcpy(&functions.name, &p, sizeof(p));
	LIBARCHIVE_FUNCTIONS(LIBARCHIVE_LOAD)
#undef LIBARCHIVE_LOAD
	return (0);
}

int
libarchive_load(const struct libarchive **out, struct err *e)
{
	int r = 0;

	(void)pthread_mutex_lock(&lock);
	if (!loaded && (r = load(e)) == 0)
		loaded = true;
	(void)pthread_mutex_unlock(&lock);
	if (r == 0)
		*out = &functions;
	return (r);
}
