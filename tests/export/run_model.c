/* run_model WEIGHTS THREADS: ids, mask and token types from standard input, logits to standard output, as raw numbers. */
#include <stdio.h>
#include <stdlib.h>

#include "bertnas.h"

int main(int argc, char **argv) {
  int32_t inputs[3][BERTNAS_SEQ_LEN];
  float logits[BERTNAS_NUM_OUTPUTS];
  bertnas_model *model;
  if (argc != 3 || fread(inputs, sizeof inputs, 1, stdin) != 1) return 64;
  bertnas_status status = bertnas_create(argv[1], atoi(argv[2]), &model);
  for (int run = 0; status == BERTNAS_OK && run < 3; ++run) /* the arena of one run is that of the next */
    status = bertnas_run(model, inputs[0], inputs[1], inputs[2], BERTNAS_SEQ_LEN, logits);
  if (status != BERTNAS_OK) return fprintf(stderr, "%s\n", bertnas_message(status)), status;
  bertnas_destroy(model);
  return fwrite(logits, sizeof logits, 1, stdout) == 1 ? 0 : 1;
}
