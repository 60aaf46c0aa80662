/*
 * The daemon's voice once it has no terminal.
 */
#include "fs/voice.h"

#include <syslog.h>

void
voice_say(const char *text)
{
	syslog(LOG_DAEMON | LOG_WARNING, "%s", text);
}
