#ifndef VITRINE_FS_VOICE_H
#define VITRINE_FS_VOICE_H

/* Where a daemon without a terminal is heard: syslog, as a warning.  Apart, for
 * <syslog.h> and our log levels use the same words. */
void voice_say(const char *text);

#endif
