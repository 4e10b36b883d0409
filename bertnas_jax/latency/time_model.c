/* time_model WEIGHTS THREADS WARMUP RUNS: prints the microseconds of each run of a full sentence, a line a run. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bertnas.h"

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec * 1e-3;
}

static int failed(bertnas_status status) {
  if (status != BERTNAS_OK) fprintf(stderr, "error: %s\n", bertnas_message(status));
  return status;
}

int main(int argc, char **argv) {
  if (argc != 5) return fprintf(stderr, "usage: time_model WEIGHTS THREADS WARMUP RUNS\n"), 64;
  int warmup = atoi(argv[3]), runs = atoi(argv[4]);
  int32_t ids[BERTNAS_SEQ_LEN], mask[BERTNAS_SEQ_LEN];
  for (int i = 0; i < BERTNAS_SEQ_LEN; ++i) ids[i] = mask[i] = 1;
  bertnas_model *model;
  float logits[BERTNAS_NUM_OUTPUTS];
  bertnas_status status = bertnas_create(argv[1], atoi(argv[2]), &model);
  if (failed(status)) return status;
  for (int run = -warmup; run < runs && status == BERTNAS_OK; ++run) {
    double start = now_us();
    status = bertnas_run(model, ids, mask, NULL, BERTNAS_SEQ_LEN, logits);
    double end = now_us();
    if (run >= 0 && status == BERTNAS_OK) printf("us=%.3f\n", end - start);
  }
  bertnas_destroy(model);
  return failed(status);
}
