/* actors/builtin/builtin.c: the list of the builtin types. */
#include "actors/builtin/builtin.h"

extern const struct pdr_actor_type pdr_type_echo, pdr_type_counter, pdr_type_kv, pdr_type_lock, pdr_type_semaphore,
    pdr_type_barrier, pdr_type_group, pdr_type_queue, pdr_type_topic, pdr_type_bully;

const struct pdr_actor_type *const builtin_types[] = {&pdr_type_echo,
                                                      &pdr_type_counter,
                                                      &pdr_type_kv,
                                                      &pdr_type_lock,
                                                      &pdr_type_semaphore,
                                                      &pdr_type_barrier,
                                                      &pdr_type_group,
                                                      &pdr_type_queue,
                                                      &pdr_type_topic,
                                                      &pdr_type_bully,
                                                      NULL};
