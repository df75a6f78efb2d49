/* What configuration calls the things that a directory has for SCRAM. */
#include "sm/auth/auth.h"

#include <string.h>

enum auth_source auth_source_find(const char *name)
{
    static const char *const names[AUTH_SOURCES] = {
        [AUTH_SOURCE_AUTH_PASSWORD] = "authPassword",
        [AUTH_SOURCE_USER_PASSWORD] = "userPassword",
        [AUTH_SOURCE_DERIVED] = "derived",
    };

    for (size_t i = 0; i < AUTH_SOURCES; i++)
        if (names[i] && strcmp(names[i], name) == 0)
            return (enum auth_source)i;
    return AUTH_SOURCE_NONE;
}
