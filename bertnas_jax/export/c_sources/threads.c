/* Stands in for the part of TVM's runtime that its kernels call: loops on all threads, and temporaries.
 *
 * Source of the signatures: tvm/runtime/c_backend_api.h. The kernels reach them through the three
 * pointers at the end of this file.
 */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* A kernel follows the last within some 10 us; a thread that slept would wake too late. */
#define SPINS 4000
#define ALIGNMENT 64
#define TEMPORARIES 16

typedef struct {
  void *sync_handle;
  int32_t num_task;
} parallel_group;

typedef int (*parallel_lambda)(int task_id, parallel_group *group, void *data);

typedef struct {
  void *memory;
  uint64_t size;
  int in_use;
} temporary;

typedef struct {
  bertnas_threads *all;
  int id;
  pthread_t thread;
  temporary temporaries[TEMPORARIES];
} worker;

struct bertnas_threads {
  int count;
  worker *workers;
  parallel_lambda lambda;
  void *data;
  int num_tasks;
  atomic_uint epoch; /* one more for every loop */
  atomic_int running, failed, sleeping, stopping;
  pthread_mutex_t lock;
  pthread_cond_t wake;
};

static _Thread_local worker *current;

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

static void run_share(worker *self) {
  bertnas_threads *all = self->all;
  parallel_group group = {NULL, all->num_tasks};
  for (int task = self->id; task < all->num_tasks; task += all->count) {
    if (all->lambda(task, &group, all->data) != 0) atomic_store_explicit(&all->failed, 1, memory_order_relaxed);
  }
}

static void wait_for_epoch(bertnas_threads *all, unsigned seen) {
  for (int spin = 0; spin < SPINS; ++spin) {
    if (atomic_load_explicit(&all->epoch, memory_order_acquire) != seen) return;
    pause_briefly();
  }
  pthread_mutex_lock(&all->lock);
  atomic_fetch_add(&all->sleeping, 1);
  while (atomic_load(&all->epoch) == seen) pthread_cond_wait(&all->wake, &all->lock);
  atomic_fetch_sub(&all->sleeping, 1);
  pthread_mutex_unlock(&all->lock);
}

static void begin_epoch(bertnas_threads *all) {
  atomic_fetch_add(&all->epoch, 1);
  if (atomic_load(&all->sleeping) > 0) {
    pthread_mutex_lock(&all->lock);
    pthread_cond_broadcast(&all->wake);
    pthread_mutex_unlock(&all->lock);
  }
}

static void *work(void *argument) {
  worker *self = argument;
  bertnas_threads *all = self->all;
  current = self;
  for (unsigned seen = 0;; ++seen) {
    wait_for_epoch(all, seen);
    if (atomic_load(&all->stopping)) return NULL;
    run_share(self);
    atomic_fetch_sub_explicit(&all->running, 1, memory_order_release);
  }
}

bertnas_threads *bertnas_threads_start(int count) {
  bertnas_threads *all = calloc(1, sizeof *all);
  if (all == NULL) return NULL;
  all->workers = calloc((size_t)count, sizeof *all->workers);
  pthread_mutex_init(&all->lock, NULL);
  pthread_cond_init(&all->wake, NULL);
  for (all->count = 0; all->workers != NULL && all->count < count; ++all->count) {
    worker *self = &all->workers[all->count];
    self->all = all;
    self->id = all->count;
    if (self->id > 0 && pthread_create(&self->thread, NULL, work, self) != 0) break;
  }
  if (all->count == count) return all;
  bertnas_threads_stop(all);
  return NULL;
}

void bertnas_threads_use(bertnas_threads *threads) { current = &threads->workers[0]; }

void bertnas_threads_stop(bertnas_threads *all) {
  atomic_store(&all->stopping, 1);
  begin_epoch(all);
  for (int id = 0; id < all->count; ++id) {
    if (id > 0) pthread_join(all->workers[id].thread, NULL);
    for (int slot = 0; slot < TEMPORARIES; ++slot) free(all->workers[id].temporaries[slot].memory);
  }
  if (current != NULL && current->all == all) current = NULL;
  pthread_cond_destroy(&all->wake);
  pthread_mutex_destroy(&all->lock);
  free(all->workers);
  free(all);
}

static int parallel_launch(parallel_lambda lambda, void *data, int num_tasks) {
  bertnas_threads *all = current->all;
  all->lambda = lambda;
  all->data = data;
  all->num_tasks = num_tasks > 0 ? num_tasks : all->count;
  atomic_store_explicit(&all->failed, 0, memory_order_relaxed);
  atomic_store_explicit(&all->running, all->count - 1, memory_order_relaxed);
  if (all->count > 1) begin_epoch(all);
  run_share(&all->workers[0]);
  for (int spin = 0; atomic_load_explicit(&all->running, memory_order_acquire) > 0; ++spin) {
    if (spin < SPINS) pause_briefly();
    else sched_yield();
  }
  return atomic_load_explicit(&all->failed, memory_order_relaxed) ? -1 : 0;
}

/* A temporary keeps its memory for the next one on the same thread: a run after the first asks the system for none. */
static void *alloc_workspace(int device_type, int device_id, uint64_t size, int type_code, int type_bits) {
  (void)device_type, (void)device_id, (void)type_code, (void)type_bits;
  temporary *chosen = NULL;
  for (int slot = 0; slot < TEMPORARIES; ++slot) {
    temporary *candidate = &current->temporaries[slot];
    if (candidate->in_use || (chosen != NULL && candidate->size < size)) continue;
    chosen = candidate;
    if (chosen->size >= size) break;
  }
  if (chosen == NULL) return NULL;
  if (chosen->size < size) {
    free(chosen->memory);
    chosen->size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    chosen->memory = aligned_alloc(ALIGNMENT, chosen->size);
    if (chosen->memory == NULL) chosen->size = 0;
  }
  chosen->in_use = chosen->memory != NULL;
  return chosen->memory;
}

static int free_workspace(int device_type, int device_id, void *memory) {
  (void)device_type, (void)device_id;
  for (int slot = 0; slot < TEMPORARIES; ++slot) {
    if (current->temporaries[slot].memory == memory) current->temporaries[slot].in_use = 0;
  }
  return 0;
}

int (*__TVMBackendParallelLaunch)(parallel_lambda, void *, int) = parallel_launch;
void *(*__TVMBackendAllocWorkspace)(int, int, uint64_t, int, int) = alloc_workspace;
int (*__TVMBackendFreeWorkspace)(int, int, void *) = free_workspace;
