/* The C interface: checks what it is given, pads it, runs the kernels. */
#include "bertnas.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plan.h"
#include "threads.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the weights file is little-endian"
#endif

#define EXPORTED __attribute__((visibility("default")))

struct bertnas_model {
  _Alignas(BERTNAS_ALIGNMENT) int32_t input_ids[BERTNAS_SEQ_LEN];
  _Alignas(BERTNAS_ALIGNMENT) int32_t attention_mask[BERTNAS_SEQ_LEN];
  _Alignas(BERTNAS_ALIGNMENT) int32_t token_type_ids[BERTNAS_SEQ_LEN];
  char *arena;
  const char *weights;
  bertnas_threads *threads;
};

static bertnas_status check_weights(const char *weights, uint64_t size) {
  const bertnas_weights_header *header = (const bertnas_weights_header *)weights;
  if (memcmp(header->magic, bertnas_magic, sizeof header->magic) != 0) return BERTNAS_WEIGHTS_OF_ANOTHER_MODEL;
  if (memcmp(header->fingerprint, bertnas_fingerprint, BERTNAS_FINGERPRINT_BYTES) != 0) return BERTNAS_WEIGHTS_OF_ANOTHER_MODEL;
  return size == bertnas_weights_bytes && header->file_bytes == size ? BERTNAS_OK : BERTNAS_WEIGHTS_TRUNCATED;
}

static bertnas_status map_weights(const char *path, const char **weights) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return BERTNAS_WEIGHTS_MISSING;
  struct stat about;
  bertnas_status status = BERTNAS_WEIGHTS_MISSING;
  if (fstat(file, &about) == 0 && S_ISREG(about.st_mode)) {
    size_t size = (size_t)about.st_size;
    status = BERTNAS_WEIGHTS_TRUNCATED;
    if (size >= sizeof(bertnas_weights_header)) {
      void *mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
      status = mapped == MAP_FAILED ? BERTNAS_OUT_OF_MEMORY : check_weights(mapped, size);
      if (status == BERTNAS_OK) *weights = mapped;
      else if (mapped != MAP_FAILED) munmap(mapped, size);
    }
  }
  close(file);
  return status;
}

EXPORTED bertnas_status bertnas_create(const char *weights_path, int threads, bertnas_model **model) {
  if (weights_path == NULL || model == NULL) return BERTNAS_NULL_POINTER;
  *model = NULL;
  if (threads < 1 || threads > BERTNAS_MAX_THREADS) return BERTNAS_BAD_THREADS;
  const char *weights = NULL;
  bertnas_status status = map_weights(weights_path, &weights);
  if (status != BERTNAS_OK) return status;
  bertnas_model *made = NULL;
  if (posix_memalign((void **)&made, BERTNAS_ALIGNMENT, sizeof *made) != 0) made = NULL;
  if (made == NULL) {
    munmap((void *)weights, bertnas_weights_bytes);
    return BERTNAS_OUT_OF_MEMORY;
  }
  memset(made, 0, sizeof *made);
  made->weights = weights;
  made->threads = bertnas_threads_start(threads);
  void *arena = NULL;
  if (posix_memalign(&arena, BERTNAS_ALIGNMENT, bertnas_arena_bytes) == 0) made->arena = arena;
  if (made->threads == NULL || made->arena == NULL) {
    bertnas_destroy(made);
    return BERTNAS_OUT_OF_MEMORY;
  }
  *model = made;
  return BERTNAS_OK;
}

static int all_within(const int32_t *values, int length, int32_t end) {
  for (int i = 0; i < length; ++i) {
    if (values[i] < 0 || values[i] >= end) return 0;
  }
  return 1;
}

static void copy_padded(int32_t *to, const int32_t *from, int length) {
  memset(to, 0, BERTNAS_SEQ_LEN * sizeof *to);
  if (from != NULL) memcpy(to, from, (size_t)length * sizeof *to);
}

/* The least length that holds the last token. Without any, attention is spread over what is there: all of it. */
static int32_t least_length(const int32_t *attention_mask, int length) {
  int end = length;
  while (end > 0 && attention_mask[end - 1] == 0) --end;
  const int32_t *least = bertnas_lengths;
  while (*least < BERTNAS_SEQ_LEN && (end == 0 || *least < end)) ++least;
  return *least;
}

EXPORTED bertnas_status bertnas_run(bertnas_model *model, const int32_t *input_ids, const int32_t *attention_mask,
                                    const int32_t *token_type_ids, int length, float *logits) {
  if (model == NULL || input_ids == NULL || attention_mask == NULL || logits == NULL) return BERTNAS_NULL_POINTER;
  if (length < 1 || length > BERTNAS_SEQ_LEN) return BERTNAS_BAD_LENGTH;
  if (!all_within(input_ids, length, BERTNAS_VOCAB_SIZE)) return BERTNAS_BAD_ID;
  if (!all_within(attention_mask, length, 2)) return BERTNAS_BAD_MASK;
  if (token_type_ids != NULL && !all_within(token_type_ids, length, BERTNAS_TOKEN_TYPES)) return BERTNAS_BAD_TOKEN_TYPE;
  copy_padded(model->input_ids, input_ids, length);
  copy_padded(model->attention_mask, attention_mask, length);
  copy_padded(model->token_type_ids, token_type_ids, length);
  const float *result = NULL;
  bertnas_threads_use(model->threads);
  int32_t padded = least_length(attention_mask, length);
  if (bertnas_run_kernels(padded, model->weights, model->arena, model->input_ids, model->attention_mask, model->token_type_ids, &result) != 0)
    return BERTNAS_OUT_OF_MEMORY; /* a kernel fails only where it gets no memory for a temporary */
  memcpy(logits, result, BERTNAS_NUM_OUTPUTS * sizeof *logits);
  return BERTNAS_OK;
}

EXPORTED void bertnas_destroy(bertnas_model *model) {
  if (model == NULL) return;
  if (model->threads != NULL) bertnas_threads_stop(model->threads);
  munmap((void *)model->weights, bertnas_weights_bytes);
  free(model->arena);
  free(model);
}

EXPORTED const char *bertnas_message(bertnas_status status) {
  switch (status) {
    case BERTNAS_OK: return "all went well";
    case BERTNAS_NULL_POINTER: return "a pointer must not be NULL";
    case BERTNAS_BAD_THREADS: return "threads must be at least 1 and at most BERTNAS_MAX_THREADS";
    case BERTNAS_WEIGHTS_MISSING: return "the weights file must be there and readable";
    case BERTNAS_WEIGHTS_TRUNCATED: return "the weights file must be whole; copy it again";
    case BERTNAS_WEIGHTS_OF_ANOTHER_MODEL: return "the weights file must be the one written with this library";
    case BERTNAS_BAD_LENGTH: return "length must be at least 1 and at most BERTNAS_SEQ_LEN";
    case BERTNAS_BAD_ID: return "input_ids must be within the vocabulary";
    case BERTNAS_BAD_MASK: return "attention_mask must be 0 or 1";
    case BERTNAS_BAD_TOKEN_TYPE: return "token_type_ids must be below BERTNAS_TOKEN_TYPES";
    case BERTNAS_OUT_OF_MEMORY: return "memory or threads ran out";
  }
  return "unknown status";
}
