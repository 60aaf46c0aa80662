/*
 * vitrine(1): hands over to the commands.
 */
#include "engine/base/err.h"

int
main(void)
{
	return (EXIT_USAGE);
}
