#ifndef OPS_LOG_COMPRESS_H
#define OPS_LOG_COMPRESS_H
/*
 * Compresses rotated logs, one at a time, in a thread of libuv's.
 *
 * It reads NAME.log.N, which may be given another number meanwhile, and writes .NAME.log.gz. When
 * that is done, back on the loop, the new file gets the name of whatever number the old one has by
 * then, and the old one is removed. So half of a compressed file never has a name that anybody
 * reads, and one that was cut short is begun anew.
 */
#include <stdbool.h>
#include <uv.h>

struct compress_job;

struct compressor {
    uv_loop_t *loop;
    struct compress_job *first; /* under way */
};

void compressor_init(struct compressor *compressor, uv_loop_t *loop);

/* Compresses what there is of a log's rotated files, by and by; the oldest first. */
void compressor_add(struct compressor *compressor, const char *path);

/* Nothing new is begun; what is under way ends by itself before the loop does. */
void compressor_close(struct compressor *compressor);

#endif
