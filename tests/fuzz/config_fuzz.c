/* A configuration file: any text is entries that say where they stand, or an
 * error that does. */
#include <stdlib.h>
#include <string.h>

/* The command's modules are in no library. */
#include "tools/cmd/config_file.c"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config_entries c = { 0 };
	struct err e = ERR_INIT;

	if (config_file_parse(&c, "F", false, data, len, &e) != 0)
		BUG_ON(e.code != ERR_LIMIT &&
		    strncmp(err_text(&e), "F:", 2) != 0);
	for (size_t i = 0; i < c.n; i++) {
		const struct config_entry *v = &c.v[i];

		BUG_ON(v->rank > CONFIG_RANK_MAX);
		BUG_ON(strncmp(v->origin, "F:", 2) != 0);
		BUG_ON(v->key == NULL && v->profile == NULL &&
		    v->command == NULL);
		BUG_ON((v->key == NULL) != (v->value == NULL));
		if (v->value != NULL)
			BUG_ON(strchr(v->value, '\n') != NULL);
	}
	config_entries_fini(&c);
	return (0);
}
