/* What is generated for each model: sizes, and the kernels in the order they run. */
#ifndef BERTNAS_PLAN_H
#define BERTNAS_PLAN_H

#include <stdint.h>

#define BERTNAS_ALIGNMENT 64 /* bytes; of every weight in the file and every intermediate in the arena */
#define BERTNAS_FINGERPRINT_BYTES 16

/* The weights file begins with this. */
typedef struct {
  char magic[8];
  uint8_t fingerprint[BERTNAS_FINGERPRINT_BYTES];
  uint64_t file_bytes; /* little-endian */
  uint8_t zeros[32];
} bertnas_weights_header;

extern const char bertnas_magic[8];
extern const uint8_t bertnas_fingerprint[BERTNAS_FINGERPRINT_BYTES];
extern const uint64_t bertnas_weights_bytes;
extern const uint64_t bertnas_arena_bytes;

extern const int32_t bertnas_lengths[]; /* that inputs may be padded to, ascending; 0 ends them */

/* Inputs have `length` tokens, one of bertnas_lengths. 0 if all went well; logits are at the start of what `logits` is set to. */
int bertnas_run_kernels(int32_t length, const char *weights, char *arena, const int32_t *input_ids,
                        const int32_t *attention_mask, const int32_t *token_type_ids, const float **logits);

#endif
