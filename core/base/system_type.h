/* core/base/system_type.h: types of actors that the platform serves itself, on whatever node is asked; programs have
 * none of these names. */
#ifndef CORE_BASE_SYSTEM_TYPE_H
#define CORE_BASE_SYSTEM_TYPE_H

#include <perdure/bytes.h>
#include <stdbool.h>
#include <string.h>

#define SYSTEM_TYPE "_sys"              /* `_sys/node`: the node; `_sys/conn`: the connection */
#define SYSTEM_TYPE_ELECTION "election" /* `election/NAME`: the directory's elections */

static inline bool type_is_system(struct pdr_bytes type)
{
    return (type.size == 4 && memcmp(type.data, SYSTEM_TYPE, 4) == 0) ||
           (type.size == 8 && memcmp(type.data, SYSTEM_TYPE_ELECTION, 8) == 0);
}

#endif
