/* run_kernels WEIGHTS INPUT_BYTES RESULT_BYTES: one array from standard input through the kernels of plan.c to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "plan.h"
#include "threads.h"

static void *aligned(size_t bytes) {
  void *memory = NULL;
  return posix_memalign(&memory, BERTNAS_ALIGNMENT, bytes + BERTNAS_ALIGNMENT) == 0 ? memory : NULL;
}

int main(int argc, char **argv) {
  if (argc != 4) return 64;
  size_t input_bytes = strtoull(argv[2], NULL, 10), result_bytes = strtoull(argv[3], NULL, 10);
  char *weights = aligned(bertnas_weights_bytes), *arena = aligned(bertnas_arena_bytes);
  int32_t *input = aligned(input_bytes);
  const float *result = NULL;
  FILE *file = fopen(argv[1], "rb");
  if (file == NULL || fread(weights, bertnas_weights_bytes, 1, file) != 1) return 65;
  if (fread(input, input_bytes, 1, stdin) != 1) return 66;
  bertnas_threads_use(bertnas_threads_start(1));
  int status = bertnas_run_kernels(bertnas_lengths[0], weights, arena, input, input, input, &result);
  return status != 0 ? status : fwrite(result, result_bytes, 1, stdout) == 1 ? 0 : 67;
}
