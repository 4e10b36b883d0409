/* run_model WEIGHTS THREADS: sequences (ids, mask, token types) from standard input, logits of each to standard output, as raw numbers. */
#include <stdio.h>
#include <stdlib.h>

#include "bertnas.h"

int main(int argc, char **argv) {
  int32_t inputs[3][BERTNAS_SEQ_LEN];
  float logits[BERTNAS_NUM_OUTPUTS];
  bertnas_model *model;
  if (argc != 3) return 64;
  bertnas_status status = bertnas_create(argv[1], atoi(argv[2]), &model);
  while (status == BERTNAS_OK && fread(inputs, sizeof inputs, 1, stdin) == 1) {
    status = bertnas_run(model, inputs[0], inputs[1], inputs[2], BERTNAS_SEQ_LEN, logits);
    if (status == BERTNAS_OK && fwrite(logits, sizeof logits, 1, stdout) != 1) return 1;
  }
  if (status != BERTNAS_OK) return fprintf(stderr, "%s\n", bertnas_message(status)), status;
  bertnas_destroy(model);
  return 0;
}
