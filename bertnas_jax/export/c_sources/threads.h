/* The threads of one model, and the memory that a kernel's temporaries take on each of them. */
#ifndef BERTNAS_THREADS_H
#define BERTNAS_THREADS_H

typedef struct bertnas_threads bertnas_threads;

/* `count` threads, of which the calling one is the first; NULL if the system gives no more. */
bertnas_threads *bertnas_threads_start(int count);

/* Kernels that this thread calls from now on run on these threads. */
void bertnas_threads_use(bertnas_threads *threads);

void bertnas_threads_stop(bertnas_threads *threads);

#endif
