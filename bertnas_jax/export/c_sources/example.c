/* example WEIGHTS ID...: prints the logits of a sentence of these token ids.
 *
 *   cc example.c libbertnas.so -Wl,-rpath,'$ORIGIN' -o example && ./example bertnas.weights 101 2023 102
 */
#include <stdio.h>
#include <stdlib.h>

#include "bertnas.h"

static int failed(bertnas_status status) {
  if (status != BERTNAS_OK) fprintf(stderr, "error: %s\n", bertnas_message(status));
  return status;
}

int main(int argc, char **argv) {
  int length = argc - 2;
  if (length < 1 || length > BERTNAS_SEQ_LEN) return fprintf(stderr, "usage: example WEIGHTS ID...\n"), 64;
  int32_t ids[BERTNAS_SEQ_LEN], mask[BERTNAS_SEQ_LEN];
  for (int i = 0; i < length; ++i) {
    ids[i] = atoi(argv[i + 2]);
    mask[i] = 1;
  }
  bertnas_model *model;
  float logits[BERTNAS_NUM_OUTPUTS];
  bertnas_status status = bertnas_create(argv[1], 2, &model);
  if (failed(status)) return status;
  status = bertnas_run(model, ids, mask, NULL, length, logits);
  bertnas_destroy(model);
  if (failed(status)) return status;
  for (int i = 0; i < BERTNAS_NUM_OUTPUTS; ++i) printf("%.9g\n", logits[i]);
  return 0;
}
