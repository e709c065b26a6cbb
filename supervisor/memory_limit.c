/* When a worker takes too much memory for too long. */
#include "memory_limit.h"

bool memory_limit_look(struct memory_limit *memory, int64_t bytes, int64_t limit)
{
    memory->above = limit && bytes > limit ? memory->above + 1 : 0;
    if (memory->above < MEMORY_SAMPLES)
        return false;
    memory->above = 0;
    return true;
}
