#ifndef VITRINE_ENGINE_BASE_BANNED_H
#define VITRINE_ENGINE_BASE_BANNED_H

/* Included on the command line of every compile, after the system's headers
 * are known: these functions have no safe use here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With clang, glibc's fortified headers make macros of these two. */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets
#pragma GCC poison atoi atol atoll atof strtok mktemp tmpnam tempnam
/* ctime() is as bad, but the word is also a field: the time of change. */
#pragma GCC poison gmtime localtime asctime

#endif
